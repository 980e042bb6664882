CREATE ROLE switchboard_ingest LOGIN PASSWORD 'known';
CREATE ROLE switchboard_router LOGIN PASSWORD 'known';
CREATE ROLE switchboard_notifier LOGIN PASSWORD 'known';
CREATE ROLE switchboard_pm_sync LOGIN PASSWORD 'known';
