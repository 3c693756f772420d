package config

import (
	"fmt"
	"reflect"
	"strings"
)

// pairsToMap decodes region=host:port pairs, as flags and the environment write them, into a map.
func pairsToMap(from, to reflect.Type, data any) (any, error) {
	if to.Kind() != reflect.Map || to.Key().Kind() != reflect.String || from.Kind() == reflect.Map {
		return data, nil
	}
	var pairs []string
	switch v := data.(type) {
	case string:
		pairs = strings.FieldsFunc(v, func(r rune) bool { return r == ',' })
	case []string:
		pairs = v
	case []any:
		for _, one := range v {
			pairs = append(pairs, fmt.Sprint(one))
		}
	default:
		return data, nil
	}
	out := map[string]string{}
	for _, pair := range pairs {
		name, value, ok := strings.Cut(pair, "=")
		if !ok {
			return nil, fmt.Errorf("%q is not name=value", pair)
		}
		out[name] = value
	}
	return out, nil
}
