-- What administrators do from a shell: lists brought in again and again.

-- The number under which whoever keeps the list knows somebody. With it the next list says who is meant,
-- though they have moved, or share a name with a neighbour.
alter table resident add column code text unique check (code <> '');
alter table provider add column code text unique check (code <> '');
