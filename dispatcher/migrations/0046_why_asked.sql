-- Why a rule had a terminal asked, as data beside the sentence: whoever reads it reads their own language and clock.
alter table command
    -- `dispatcher::store::because::Because`.
    add column because jsonb check (because ? 'is'),
    add check (because is null or why is not null);
