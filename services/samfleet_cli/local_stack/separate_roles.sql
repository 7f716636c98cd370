-- Migration of clusters of earlier releases, where initdb's superuser was named `samfleet`. That role cannot lose its
-- rights, so it is renamed to `postgres`, and a new ordinary role `samfleet` with the same password gets its objects in
-- this database. It is one statement, so it is atomic. It runs in single-user mode as role 10, initdb's superuser.
DO $separate$
DECLARE
  statement text;
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'samfleet' AND rolsuper) THEN
    RETURN;
  END IF;
  UPDATE pg_authid SET rolname = 'postgres' WHERE oid = 10;
  CREATE ROLE samfleet LOGIN;
  UPDATE pg_authid SET rolpassword = (SELECT rolpassword FROM pg_authid WHERE oid = 10) WHERE rolname = 'samfleet';
  ALTER DATABASE samfleet OWNER TO samfleet;
  FOR statement IN
    WITH ours AS (
      SELECT oid, nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
    )
    SELECT format('ALTER SCHEMA %I OWNER TO samfleet', nspname) FROM ours WHERE nspname <> 'public'
    UNION ALL
    -- a sequence owned by a column (deptype automatic or internal in pg_depend) follows its table
    SELECT format('ALTER TABLE %s OWNER TO samfleet', c.oid::regclass)
    FROM pg_class c JOIN ours ON ours.oid = c.relnamespace
    WHERE c.relowner = 10 AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
      AND NOT EXISTS (
        SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype IN ('a', 'i', 'e')
          AND (c.relkind = 'S' OR d.deptype = 'e')
      )
    UNION ALL
    SELECT format('ALTER ROUTINE %s OWNER TO samfleet', p.oid::regprocedure)
    FROM pg_proc p JOIN ours ON ours.oid = p.pronamespace
    WHERE p.proowner = 10
      AND NOT EXISTS (
        SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
      )
    UNION ALL
    SELECT format('ALTER TYPE %s OWNER TO samfleet', t.oid::regtype)
    FROM pg_type t JOIN ours ON ours.oid = t.typnamespace
    WHERE t.typowner = 10 AND t.typtype IN ('e', 'd', 'r')
      AND NOT EXISTS (
        SELECT FROM pg_depend d WHERE d.classid = 'pg_type'::regclass AND d.objid = t.oid AND d.deptype = 'e'
      )
  LOOP
    EXECUTE statement;
  END LOOP;
END $separate$
