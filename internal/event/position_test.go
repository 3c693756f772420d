package event_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-commerce/meridian/internal/event"
)

func TestAdvance(t *testing.T) {
	t.Parallel()
	at := func(id string, ends ...int64) event.Log {
		l := event.Log{ID: id, Ends: map[int32]int64{}}
		for partition, end := range ends {
			l.Ends[int32(partition)] = end
		}
		return l
	}
	for name, c := range map[string]struct {
		known, now, next event.Position
		lost             bool
	}{
		"nothing is known":        {nil, event.Position{"a": at("1", 5)}, event.Position{"a": at("1", 5)}, false},
		"it goes on":              {event.Position{"a": at("1", 5, 7)}, event.Position{"a": at("1", 6, 7)}, event.Position{"a": at("1", 6, 7)}, false},
		"a topic more":            {event.Position{"a": at("1", 5)}, event.Position{"a": at("1", 5), "b": at("2", 0)}, event.Position{"a": at("1", 5), "b": at("2", 0)}, false},
		"a partition more":        {event.Position{"a": at("1", 5)}, event.Position{"a": at("1", 5, 9)}, event.Position{"a": at("1", 5, 9)}, false},
		"a topic less":            {event.Position{"a": at("1", 5), "b": at("2", 3)}, event.Position{"a": at("1", 6)}, event.Position{"a": at("1", 6), "b": at("2", 3)}, false},
		"a partition is silent":   {event.Position{"a": at("1", 5, 7)}, event.Position{"a": at("1", 6)}, event.Position{"a": at("1", 6, 7)}, false},
		"another topic":           {event.Position{"a": at("1", 5)}, event.Position{"a": at("2", 50)}, event.Position{"a": at("2", 50)}, true},
		"an end that went back":   {event.Position{"a": at("1", 5, 7)}, event.Position{"a": at("1", 9, 6)}, event.Position{"a": at("1", 9, 6)}, true},
		"emptied under its name":  {event.Position{"a": at("1", 5)}, event.Position{"a": at("1", 0)}, event.Position{"a": at("1", 0)}, true},
		"one of two was lost":     {event.Position{"a": at("1", 5), "b": at("2", 3)}, event.Position{"a": at("3", 0), "b": at("2", 3)}, event.Position{"a": at("3", 0), "b": at("2", 3)}, true},
		"nothing is there at all": {event.Position{"a": at("1", 5)}, nil, event.Position{"a": at("1", 5)}, false},
	} {
		next, lost := c.known.Advance(c.now)
		if diff := cmp.Diff(c.next, next); diff != "" || lost != c.lost {
			t.Errorf("%s: lost is %t\n%s", name, lost, diff)
		}
		if again, lost := next.Advance(c.now); lost || !cmp.Equal(next, again) {
			t.Errorf("%s: the same look again finds a loss", name)
		}
	}
}
