-- Whose card says that they may soon be in danger: their cases come first among others of their kind
-- (`domain::incident::Priority`). Nobody's does until somebody has said so.
alter table resident add column medical_risk boolean not null default false;
