-- Who goes, and whether they come: whoever said yes is looked at until they are there, and somebody who does
-- not come is lost, which is neither a no nor a silence. An incident may wait a while for somebody who is
-- about to be free and would be there sooner than anybody who is free now.

alter table incident
    -- Nobody is asked until then.
    add column waits_until timestamptz,
    add check (closed_at is null or waits_until is null);

alter table offer
    -- Which operator asked; null: the policy did.
    add column asked_by uuid references app_user,
    -- When whoever goes is looked at next, and how far they had to go at the last look.
    add column look_at timestamptz,
    add column left_m double precision;

-- Until now an operator's question is known from the timeline only; what is still open is taken for the
-- policy's. Whoever goes already is looked at from now on.
update offer set look_at = now() where state in ('accepted', 'on_the_way');

alter table offer
    drop constraint offer_state_check,
    add constraint offer_state_check check (state in
        ('asked', 'accepted', 'on_the_way', 'on_scene', 'done', 'declined', 'silent', 'lost', 'withdrawn')),
    drop constraint offer_check2,
    add constraint offer_reason check ((state in ('declined', 'lost')) = (reason is not null)),
    add constraint offer_watched check ((state in ('accepted', 'on_the_way')) = (look_at is not null)),
    add constraint offer_left check (left_m is null or look_at is not null);
