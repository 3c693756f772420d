package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestRun(t *testing.T) {
	t.Parallel()
	in := `["sum by (a) (rate(m{b=\"1\"}[5m])) / on (a) group_left (c) (n)", "sum by (", "label_replace(m, \"d\", \"$1\", \"b\", \"(.*)\")"]`
	var out bytes.Buffer
	if err := run(strings.NewReader(in), &out); err != nil {
		t.Fatal(err)
	}
	want := `[{"tree":{"kind":"binary","name":"/","labels":["a"],"on":true,"include":["c"],"card":"many-to-one","children":[` +
		`{"kind":"aggregation","name":"sum","labels":["a"],"children":[{"kind":"call","name":"rate","children":[{"kind":"selector","name":"m","matchers":["b"]}]}]},` +
		`{"kind":"selector","name":"n"}]}},`
	if got := out.String(); !strings.HasPrefix(got, want) || !strings.Contains(got, `{"error":"`) || !strings.Contains(got, `"strings":["d","$1","b","(.*)"]`) {
		t.Errorf("got  %s\nwant %s…", got, want)
	}
	if err := run(strings.NewReader("x"), &out); err == nil {
		t.Error("input that is no JSON was read")
	}
}
