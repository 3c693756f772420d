package payment_test

import (
	"sync"
	"testing"
	"time"
)

func TestTmpContention(t *testing.T) {
	s, p := open(t), newScript()
	for range 64 {
		s.placed()
	}
	for range 30 { s.place() }
	s.exec(`CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF coalesce(current_setting('x.paid', true),'') = '' THEN PERFORM pg_sleep(0.07); PERFORM set_config('x.paid','1',true); END IF; RETURN NULL; END $$`)
	for _, tb := range []string{"payments", "orders", "outbox", "ledger_entries", "inbox", "stock"} {
		s.exec(`CREATE CONSTRAINT TRIGGER slow AFTER INSERT OR UPDATE ON ` + tb + ` DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION slow()`)
	}
	w := s.worker(p, time.Hour)
	began := time.Now()
	for range 4 {
		st := time.Now()
		n, err := w.Step(t.Context(), home)
		t.Log(n, err, time.Since(st))
	}
	t.Log("confirm 64:", time.Since(began), s.count(`SELECT xact_rollback FROM pg_stat_database WHERE datname = current_database()`))
	s.hurry()
	began = time.Now()
	for range 4 {
		st := time.Now()
		n, err := w.Step(t.Context(), home)
		t.Log(n, err, time.Since(st))
	}
	t.Log("capture 64:", time.Since(began), s.count(`SELECT xact_rollback FROM pg_stat_database WHERE datname = current_database()`))
	// consumers
	var wg sync.WaitGroup
	began = time.Now()
	for range 16 {
		e := s.place()
		wg.Go(func() { if err := s.consumer.Handle(t.Context(), e); err != nil { t.Error(err) } })
	}
	t.Log("placed 16", time.Since(began))
	wg.Wait()
	t.Log("consume 16:", time.Since(began), s.count(`SELECT xact_rollback FROM pg_stat_database WHERE datname = current_database()`))
}
