package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"

	"github.com/meridian-commerce/meridian/internal/config"
	"github.com/meridian-commerce/meridian/internal/fault"
)

func load(t *testing.T, file string, environ []string, args ...string) (config.Config, error) {
	t.Helper()
	f := pflag.NewFlagSet("test", pflag.ContinueOnError)
	config.AddFlags(f)
	if file != "" {
		path := filepath.Join(t.TempDir(), "meridian.yaml")
		if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, "--config", path)
	}
	if err := f.Parse(args); err != nil {
		t.Fatal(err)
	}
	return config.Load(f, environ)
}

const file = `
region: eu-west-1
database: {url: "postgres://file", max_conns: 5, statement_timeout: 7s}
kafka: {brokers: ["a:1", "b:2"]}
edge:
  consul: {eu-west-1: "127.0.2.1:8500"}
`

func TestPrecedence(t *testing.T) {
	t.Parallel()
	c, err := load(t, file, []string{"MERIDIAN_DATABASE_URL=postgres://env", "MERIDIAN_DATABASE_MAX_CONNS=6", "HOME=/x"}, "--database.max_conns=7")
	if err != nil {
		t.Fatal(err)
	}
	if c.Database.URL != "postgres://env" || c.Database.MaxConns != 7 || c.Database.StatementTimeout != 7*time.Second {
		t.Errorf("database is %+v; want the URL of the environment, the flag's 7 connections, the file's 7 s", c.Database)
	}
	if c.Database.LockTimeout != 2*time.Second || c.Log.Level != "info" || c.Advertise != c.Listen {
		t.Errorf("defaults are missing: %+v", c)
	}
	if diff := cmp.Diff([]string{"a:1", "b:2"}, c.Kafka.Brokers); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]string{"eu-west-1": "127.0.2.1:8500"}, c.Edge.Consul); diff != "" {
		t.Error(diff)
	}
}

func TestListsAndMapsOutsideTheFile(t *testing.T) {
	t.Parallel()
	c, err := load(t, "", []string{"MERIDIAN_KAFKA_BROKERS=a:1,b:2"}, "--edge.consul=x=1:1,y=2:2", "--target=account,cart")
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Kafka.Brokers) != 2 || c.Edge.Consul["y"] != "2:2" || len(c.Target) != 2 {
		t.Errorf("got %v, %v, %v", c.Kafka.Brokers, c.Edge.Consul, c.Target)
	}
}

func TestBadConfiguration(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		file    string
		environ []string
		args    []string
		says    string
	}{
		"unknown key":      {file: "databse: {url: x}", says: "databse"},
		"unknown variable": {environ: []string{"MERIDIAN_DATABSE_URL=x"}, says: "MERIDIAN_DATABSE_URL"},
		"not YAML":         {file: "a: [", says: "file"},
		"bad duration":     {file: "database: {statement_timeout: soon}", says: "statement_timeout"},
		"bad pair":         {args: []string{"--edge.consul=x"}, says: "name=value"},
	} {
		_, err := load(t, tc.file, tc.environ, tc.args...)
		if fault.Reason(err) != "CONFIG_INVALID" || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %v; want CONFIG_INVALID that says %q", name, err, tc.says)
		}
	}
	c, err := load(t, "region: mars-1", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.RegionSet(); fault.Reason(err) != "CONFIG_INVALID" {
		t.Errorf("an unknown region: %v", err)
	}
	if err := c.Require("region", "database.url"); err == nil || !strings.Contains(err.Error(), "MERIDIAN_DATABASE_URL") {
		t.Errorf("a missing key: %v", err)
	}
}

// TestOrdersAreCapturedByDefault: a deployment that says nothing captures payments, while their authorizations hold.
func TestOrdersAreCapturedByDefault(t *testing.T) {
	t.Parallel()
	c, err := load(t, "", nil)
	if after := c.Order.FulfillAfter; err != nil || after <= 0 || after > 6*24*time.Hour {
		t.Errorf("orders are handed over after %s (%v)", after, err)
	}
	c, err = load(t, "", nil, "--order.fulfill_after=0")
	if err != nil || c.Order.FulfillAfter != 0 {
		t.Errorf("0 is %s (%v)", c.Order.FulfillAfter, err)
	}
}
