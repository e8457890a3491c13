-- Each time a table is vacuumed or analysed, whoever has a connection makes plans anew for whatever they ask of it: ten
-- milliseconds that a press or a decision waits for. What is open changes many times a minute and stays small, so that by
-- PostgreSQL's own measure it would be looked after every minute, for nothing: its rows are found by their keys.
do $$
declare
    name text;
begin
    foreach name in array array['incident', 'incident_entry', 'report', 'offer', 'choice', 'outbox', 'delivery', 'command',
        'aftercare', 'handover', 'test_press']
    loop
        execute format(
            'alter table %I set (autovacuum_vacuum_threshold = 5000, autovacuum_analyze_threshold = 10000)', name);
    end loop;
    -- Of these each row changes again and again, and stays as much like the others as it was.
    foreach name in array array['terminal_state', 'responder_position', 'presence']
    loop
        execute format('alter table %I set (autovacuum_analyze_threshold = 10000, autovacuum_analyze_scale_factor = 5)', name);
    end loop;
end $$;
