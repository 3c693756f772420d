package config

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// Key is one configuration key: its default and a sentence for --help.
type Key struct {
	Name    string
	Default any // string, int, bool, time.Duration or []string
	Help    string
}

// Keys lists every key. Rooms declare theirs by the tags of their settings: koanf is the name, default and help are what
// they say.
func Keys() []Key { return keysOf(reflect.TypeFor[Config](), "") }

// keysOf lists the keys of a struct whose group has a name.
func keysOf(settings reflect.Type, group string) []Key {
	var keys []Key
	for field := range settings.Fields() {
		name := group + field.Tag.Get("koanf")
		switch help, isKey := field.Tag.Lookup("help"); {
		case isKey:
			keys = append(keys, Key{name, defaultOf(field), help})
		case field.Type.Kind() == reflect.Struct && field.Tag.Get("koanf") != "-":
			keys = append(keys, keysOf(field.Type, name+".")...)
		}
	}
	return keys
}

// defaultOf reads a field's default. A wrong one is a mistake in the program, which a test of this package finds.
func defaultOf(field reflect.StructField) any {
	text := field.Tag.Get("default")
	if text == "" && field.Type.Kind() != reflect.Slice && field.Type.Kind() != reflect.Map {
		return plain(reflect.Zero(field.Type))
	}
	var value any
	var err error
	switch field.Type.Kind() {
	case reflect.Slice, reflect.Map:
		return strings.FieldsFunc(text, func(r rune) bool { return r == ',' })
	case reflect.Bool:
		value, err = strconv.ParseBool(text)
	case reflect.Int, reflect.Int32:
		value, err = strconv.Atoi(text)
	case reflect.Int64:
		value, err = time.ParseDuration(text)
	default:
		value = text
	}
	if err != nil {
		panic(fmt.Sprintf("config: default of %s: %v", field.Name, err))
	}
	return value
}

// plain returns a value as the flags have it, without a room's own type.
func plain(v reflect.Value) any {
	switch v.Kind() {
	case reflect.String:
		return v.String()
	case reflect.Int, reflect.Int32:
		return int(v.Int())
	default:
		return v.Interface()
	}
}
