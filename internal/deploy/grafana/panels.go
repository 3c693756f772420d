package grafana

// limits are where a value becomes a warning and where it is bad. Where bad is below warn, low values are bad.
type limits struct{ warn, bad float64 }

func (l *limits) thresholds() *thresholds {
	at := func(v float64) *float64 { return &v }
	switch {
	case l == nil:
		return &thresholds{"absolute", []step{{"green", nil}}}
	case l.bad < l.warn:
		return &thresholds{"absolute", []step{{"red", nil}, {"orange", at(l.bad)}, {"green", at(l.warn)}}}
	}
	return &thresholds{"absolute", []step{{"green", nil}, {"orange", at(l.warn)}, {"red", at(l.bad)}}}
}

// graph is lines over time. Limits, if there are any, are drawn as dashed lines.
func graph(title, description, unit string, l *limits) panel {
	style := "off"
	if l != nil {
		style = "dashed"
	}
	zero := 0.0
	return panel{
		Type: "timeseries", Title: title, Description: description,
		FieldConfig: &fieldConfig{defaults{
			Unit: unit, Min: &zero, Color: &color{"palette-classic"}, Thresholds: l.thresholds(),
			Custom: map[string]any{
				"drawStyle": "line", "lineInterpolation": "linear", "lineWidth": 1, "fillOpacity": 8, "showPoints": "never",
				"thresholdsStyle": map[string]any{"mode": style},
			},
		}, []override{}},
		Options: map[string]any{
			"legend":  map[string]any{"displayMode": "list", "placement": "bottom", "showLegend": true, "calcs": []string{}},
			"tooltip": map[string]any{"mode": "multi", "sort": "desc"},
		},
	}
}

// stacked is a graph whose lines add up.
func stacked(title, description, unit string) panel {
	p := graph(title, description, unit, nil)
	p.FieldConfig.Defaults.Custom["stacking"] = map[string]any{"mode": "normal", "group": "A"}
	p.FieldConfig.Defaults.Custom["fillOpacity"] = 40
	return p
}

// figure is the newest value, large, on its color.
func figure(title, description, unit string, l *limits) panel {
	return panel{
		Type: "stat", Title: title, Description: description,
		FieldConfig: &fieldConfig{defaults{Unit: unit, Color: &color{"thresholds"}, Thresholds: l.thresholds(), NoValue: "no data"}, []override{}},
		Options: map[string]any{
			"reduceOptions": map[string]any{"calcs": []string{"lastNotNull"}, "fields": "", "values": false},
			"colorMode":     "value", "graphMode": "area", "justifyMode": "auto", "orientation": "auto", "textMode": "auto",
			"wideLayout": true, "showPercentChange": false, "percentChangeColorMode": "standard",
		},
	}
}

// heat is a histogram over time.
func heat(title, description, unit string) panel {
	return panel{
		Type: "heatmap", Title: title, Description: description,
		FieldConfig: &fieldConfig{defaults{}, []override{}},
		Options: map[string]any{
			"calculate":    false,
			"cellGap":      1,
			"color":        map[string]any{"mode": "scheme", "scheme": "Spectral", "fill": "dark-orange", "exponent": 0.5, "steps": 64, "reverse": true},
			"filterValues": map[string]any{"le": 1e-9},
			"rowsFrame":    map[string]any{"layout": "auto"},
			"yAxis":        map[string]any{"unit": unit, "axisPlacement": "left"},
			"showValue":    "never",
			"legend":       map[string]any{"show": true},
			"tooltip":      map[string]any{"mode": "single", "yHistogram": false, "showColorScale": false},
			"exemplars":    map[string]any{"color": "rgba(255,0,255,0.7)"},
		},
	}
}

// timeline is states over time, one line for each series.
func timeline(title, description, unit string, l *limits) panel {
	return panel{
		Type: "state-timeline", Title: title, Description: description,
		FieldConfig: &fieldConfig{defaults{
			Unit: unit, Color: &color{"thresholds"}, Thresholds: l.thresholds(), Custom: map[string]any{"fillOpacity": 80, "lineWidth": 0},
		}, []override{}},
		Options: map[string]any{
			"mergeValues": true, "showValue": "never", "alignValue": "left", "rowHeight": 0.9,
			"legend":  map[string]any{"displayMode": "list", "placement": "bottom", "showLegend": true, "calcs": []string{}},
			"tooltip": map[string]any{"mode": "single", "sort": "none"},
		},
	}
}

// list is a table of the newest values, joined by one label. Its columns after that label are the queries, in order.
func list(title, description, by string, columns ...column) panel {
	p := panel{
		Type: "table", Title: title, Description: description,
		FieldConfig: &fieldConfig{defaults{Thresholds: (*limits)(nil).thresholds(), Custom: map[string]any{
			"align": "auto", "cellOptions": map[string]any{"type": "auto"}, "inspect": false,
		}}, []override{}},
		Options: map[string]any{"showHeader": true, "cellHeight": "sm", "frameIndex": 0},
		Transformations: []transformation{
			{"joinByField", map[string]any{"byField": by, "mode": "outer"}},
			{"filterFieldsByName", map[string]any{"include": map[string]any{"pattern": "^(" + by + "|Value.*)$"}}},
		},
	}
	for i, c := range columns {
		name := "Value #" + string(rune('A'+i))
		if len(columns) == 1 {
			name = "Value"
		}
		properties := []property{{"displayName", c.name}, {"unit", c.unit}}
		if c.limits != nil {
			properties = append(properties, property{"thresholds", c.limits.thresholds()},
				property{"custom.cellOptions", map[string]any{"type": "color-text"}}, property{"color", color{"thresholds"}})
		}
		p.FieldConfig.Overrides = append(p.FieldConfig.Overrides, override{matcher{"byName", name}, properties})
	}
	return p
}

// column is a column of a list.
type column struct {
	name, unit string
	limits     *limits
}

// worldMap shows each region at its place, colored by a value. The query's series have the labels lat and lon.
func worldMap(title, description, unit string, l *limits) panel {
	number := func(field string) map[string]any {
		return map[string]any{"targetField": field, "destinationType": "number"}
	}
	layer := map[string]any{
		"type": "markers", "name": "Regions", "tooltip": true,
		"location": map[string]any{"mode": "coords", "latitude": "lat", "longitude": "lon"},
		"config": map[string]any{"showLegend": false, "style": map[string]any{
			"color":      map[string]any{"field": "Value", "fixed": "dark-green"},
			"size":       map[string]any{"fixed": 14, "min": 10, "max": 30},
			"opacity":    0.8,
			"symbol":     map[string]any{"mode": "fixed", "fixed": "img/icons/marker/circle.svg"},
			"text":       map[string]any{"mode": "field", "field": "region"},
			"textConfig": map[string]any{"fontSize": 12, "textAlign": "center", "textBaseline": "top", "offsetX": 0, "offsetY": 14},
		}},
	}
	return panel{
		Type: "geomap", Title: title, Description: description,
		FieldConfig: &fieldConfig{defaults{
			Unit: unit, Color: &color{"thresholds"}, Thresholds: l.thresholds(), Custom: map[string]any{},
			Links: []dataLink{{Title: "Open ${__data.fields.region}", URL: "/d/meridian-region?var-region=${__data.fields.region}&${__url_time_range}"}},
		}, []override{}},
		Options: map[string]any{
			"view":     map[string]any{"id": "zero", "lat": 20, "lon": 10, "zoom": 2, "allLayers": true},
			"controls": map[string]any{"showZoom": true, "mouseWheelZoom": false, "showAttribution": true, "showScale": false, "showMeasure": false, "showDebug": false},
			"basemap":  map[string]any{"type": "default", "name": "Map"},
			"layers":   []any{layer},
			"tooltip":  map[string]any{"mode": "details"},
		},
		Transformations: []transformation{
			{"convertFieldType", map[string]any{"fields": map[string]any{}, "conversions": []any{number("lat"), number("lon")}}},
		},
	}
}
