-- Which of its dialect's variants a terminal's model speaks, in words that the codecs know; none: as most of its family do.
-- Terminals of dialects that know no secret have one all the same, that was shown to nobody: the column stays what it is.
alter table terminal add column profile text check (profile <> '' and profile !~ '[[:cntrl:]]');
