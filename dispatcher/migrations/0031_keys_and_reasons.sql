-- The secret under which a terminal encrypts what it says (OwnTracks): none for nearly all of them. It has to be known as it
-- is, so that it is shown to nobody and stands in no list. The cipher takes 32 bytes and no more.
alter table terminal add column payload_key text
    check (octet_length(payload_key) between 1 and 32 and payload_key !~ '[[:cntrl:]]');

-- Why nobody could read it; none for what could be read. On a card it stands in the timeline; what is kept of telemetry has no
-- card.
alter table report add column why text;
