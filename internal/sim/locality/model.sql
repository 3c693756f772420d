-- The locality model, inside PostgreSQL. The Go side works out what every journey costs and publishes it as
-- settings (configuration file, reloaded), one pair for each gateway region, a cell for each home region:
--   meridian.visit_eu_west_1  = '70 0 175@1764000000.5~1764000005.2 0'   round trip in ms, @ beginning ~ end of a stall
--   meridian.commit_eu_west_1 = '70/70/ 70/0/ 175/175/ 650/70/'          quorum ms / distance ms / end of a stall
-- and one cell more for GLOBAL tables. Without a quorum a cell says lost, and until when statements wait for one.
-- Settings rather than a table: no statement of the product reads a row for the model's sake, so the model
-- takes part in no serialization conflict, and a change is seen by transactions that began before it.
CREATE SCHEMA sim;

-- The owner, who migrates, has no gateway: for it there is no cell, and so nothing to pay.
CREATE FUNCTION sim.cell(kind text, i int) RETURNS text LANGUAGE sql VOLATILE AS $$
  SELECT split_part(current_setting('meridian.' || kind || '_' || replace(current_setting('meridian.gateway', true), '-', '_')), ' ', i)
$$;

-- Pays for one statement's visit to the rows of home region number i. The policy of each regional table asks
-- it as an uncorrelated subquery, so it runs once for a statement and region, and only when a row is met.
CREATE FUNCTION sim.visit(i int) RETURNS boolean LANGUAGE plpgsql VOLATILE COST 1 AS $$
DECLARE
  cell text := split_part(current_setting('meridian.visit_' || replace(current_setting('meridian.gateway'), '-', '_')), ' ', i);
BEGIN
  IF cell <> '0' THEN
    PERFORM sim.travel(cell);
  END IF;
  RETURN true;
END $$;

-- Waits for a stalled lease, then pays what the farthest region of this statement costs more than those
-- already paid for: a statement goes to its regions in parallel.
CREATE FUNCTION sim.travel(cell text) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  stamp text := extract(epoch FROM statement_timestamp())::text;
  due   double precision;
  paid  double precision := sim.traveled();
BEGIN
  IF nullif(split_part(split_part(cell, '@', 2), '~', 1), '')::double precision > extract(epoch FROM clock_timestamp()) THEN
    RETURN; -- what was lost is not missed yet
  END IF;
  PERFORM sim.await(split_part(cell, '~', 2));
  IF cell LIKE 'lost%' THEN
    PERFORM sim.refuse();
  END IF;
  due := split_part(cell, '@', 1)::double precision;
  IF due > paid THEN
    PERFORM sim.pay(due - paid);
    PERFORM set_config('meridian.visited', stamp || ' ' || due, false);
  END IF;
END $$;

-- The distance in ms that the current statement has already paid.
CREATE FUNCTION sim.traveled() RETURNS double precision LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  seen text := current_setting('meridian.visited', true);
BEGIN
  IF split_part(seen, ' ', 1) = extract(epoch FROM statement_timestamp())::text THEN
    RETURN split_part(seen, ' ', 2)::double precision;
  END IF;
  RETURN 0;
END $$;

-- Takes ms, and adds them to what the session has paid so far (meridian.charged_ms), stalls aside.
CREATE FUNCTION sim.pay(ms double precision) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  PERFORM pg_sleep(ms / 1000);
  PERFORM set_config('meridian.charged_ms',
    (coalesce(nullif(current_setting('meridian.charged_ms', true), ''), '0')::double precision + ms)::text, false);
END $$;

CREATE FUNCTION sim.await(stall_end text) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  rest double precision;
BEGIN
  IF stall_end <> '' THEN
    rest := stall_end::double precision - extract(epoch FROM clock_timestamp());
    IF rest > 0 THEN
      PERFORM pg_sleep(rest);
    END IF;
  END IF;
END $$;

CREATE FUNCTION sim.refuse() RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  RAISE EXCEPTION 'replica unavailable: too many regions are lost for a quorum' USING ERRCODE = '58C00';
END $$;

-- Deferred to COMMIT, with the number of the region that was written (one more than there are: a GLOBAL
-- table). Pays gateway → leaseholder → quorum for the dearest of the transaction's regions; the first leg is
-- free where the statement that commits has just traveled it (a transaction of one statement). A GLOBAL row is written
-- ahead of the clock, so that nobody minds it until that is as near as clocks may differ; from then on who reads the row
-- waits for the rest (CockroachDB, "Global Tables").
CREATE FUNCTION sim.replicate() RETURNS trigger LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  cell text := sim.cell('commit', TG_ARGV[0]::int);
  paid double precision := coalesce(nullif(current_setting('meridian.replicated', true), ''), '0')::double precision;
  due  double precision;
BEGIN
  IF cell LIKE 'lost%' THEN
    PERFORM sim.await(split_part(cell, '/', 3));
    PERFORM sim.refuse();
  END IF;
  due := split_part(cell, '/', 1)::double precision
       + greatest(0, split_part(cell, '/', 2)::double precision - sim.traveled());
  IF due > paid THEN
    PERFORM sim.await(split_part(cell, '/', 3));
    IF TG_ARGV[1] = 'GLOBAL' THEN
      PERFORM sim.pay(greatest(due - paid - 250, 0)); -- all but --max-offset
      PERFORM pg_advisory_xact_lock(71, sim.lock_of(pg_current_xact_id()::xid));
      paid := greatest(paid, due - 250);
    END IF;
    PERFORM sim.pay(due - paid);
    PERFORM set_config('meridian.replicated', due::text, true);
  END IF;
  RETURN NULL;
END $$;

-- The lock that a transaction holds while readers of GLOBAL rows wait for it.
CREATE FUNCTION sim.lock_of(writer xid) RETURNS int LANGUAGE sql VOLATILE AS $$ SELECT (writer::text::bigint % 2147483647)::int $$;

-- Waits for the writer of a GLOBAL row that is met, if it is time to. Other writers, and those that ended, hold no lock.
CREATE FUNCTION sim.meet(writer xid) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  PERFORM pg_advisory_lock_shared(71, sim.lock_of(writer));
  PERFORM pg_advisory_unlock_shared(71, sim.lock_of(writer));
  RETURN true;
END $$;

-- Attaches the model to every table of the schema public, and prepares the role that pays.
CREATE FUNCTION sim.attach(regions text[], payer text) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  admission text;
  t record;
BEGIN
  -- Otherwise row security would keep some built-in functions out of index conditions and change the plans.
  UPDATE pg_proc SET proleakproof = true WHERE pronamespace = 'pg_catalog'::regnamespace AND NOT proleakproof;
  EXECUTE format('GRANT USAGE ON SCHEMA sim TO %I', payer);
  EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO %I', payer);
  -- A scan of a tiny table would lock all of it against serializable writers; an index locks the keys read.
  EXECUTE format('ALTER ROLE %I SET enable_seqscan = off', payer);
  -- Each subquery is free of the row, so it runs at most once for a statement, and only when a row of its region is met.
  SELECT 'CASE home_region' || string_agg(format(' WHEN %L THEN (SELECT sim.visit(%s))', r.name, r.i), '' ORDER BY r.i) || ' END'
    INTO admission FROM unnest(regions) WITH ORDINALITY AS r(name, i);
  FOR t IN
    SELECT c.oid::regclass::text AS name FROM pg_partitioned_table p JOIN pg_class c ON c.oid = p.partrelid
    WHERE c.relnamespace = 'public'::regnamespace ORDER BY 1
  LOOP
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', t.name);
    EXECUTE format('CREATE POLICY locality ON %s USING (%s)', t.name, admission);
  END LOOP;
  -- A partition's bound names its region; a table without partitions is GLOBAL.
  FOR t IN
    SELECT c.oid::regclass::text AS name, CASE WHEN c.relispartition
      THEN array_position(regions, substring(pg_get_expr(c.relpartbound, c.oid) FROM '''([^'']*)'''))
      ELSE cardinality(regions) + 1 END AS region
    FROM pg_class c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.relname <> 'goose_db_version' ORDER BY 1
  LOOP
    IF t.region IS NULL THEN
      RAISE EXCEPTION 'the region of partition % is unknown', t.name;
    END IF;
    EXECUTE format('CREATE CONSTRAINT TRIGGER replicate AFTER INSERT OR UPDATE OR DELETE ON %s '
      'DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION sim.replicate(%L, %L)',
      t.name, t.region, CASE WHEN t.region > cardinality(regions) THEN 'GLOBAL' END);
    IF t.region > cardinality(regions) THEN
      EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', t.name);
      -- Whoever changes a row is in its xmax.
      EXECUTE format('CREATE POLICY readers ON %s FOR SELECT USING ((SELECT sim.visit(%s)) AND (xmax = ''0''::xid OR sim.meet(xmax)))', t.name, t.region);
      EXECUTE format('CREATE POLICY inserts ON %s FOR INSERT WITH CHECK (true)', t.name);
      EXECUTE format('CREATE POLICY updates ON %s FOR UPDATE USING (true)', t.name);
      EXECUTE format('CREATE POLICY deletes ON %s FOR DELETE USING (true)', t.name);
    END IF;
  END LOOP;
END $$;
