package config

import (
	"reflect"
	"testing"
)

// Each field of a room's settings is a key that says what it is, a group, or explicitly none of the two: a field that
// somebody forgot to tag could be set by nobody.
func TestEveryFieldIsDeclared(t *testing.T) {
	t.Parallel()
	if found := undeclared(reflect.TypeFor[Config]()); len(found) > 0 {
		t.Errorf("neither keys nor groups: %q", found)
	}
	type planted struct {
		Key      string   `koanf:"key" help:"says what it is"`
		Group    struct{} `koanf:"group"`
		Wired    chan int `koanf:"-"`
		Mute     string   `koanf:"mute"`
		Nameless string   `help:"has no name"`
	}
	if found := undeclared(reflect.TypeFor[planted]()); len(found) != 2 {
		t.Errorf("of two planted fields, found %q", found)
	}
}

func undeclared(settings reflect.Type) (found []string) {
	for field := range settings.Fields() {
		name, isGroup := field.Tag.Get("koanf"), field.Type.Kind() == reflect.Struct
		switch _, helps := field.Tag.Lookup("help"); {
		case name == "", name != "-" && helps == isGroup:
			found = append(found, settings.Name()+"."+field.Name)
		case isGroup && name != "-":
			found = append(found, undeclared(field.Type)...)
		}
	}
	return found
}
