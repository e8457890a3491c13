-- What could not be read last, of each terminal: asked for by the page of profiles, and very little of all that is kept.
create index report_unreadable on report (terminal_id, received_at desc) where why is not null;
