package kubernetes

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/meridian-commerce/meridian/internal/deploy/deploytest"
)

// schemaLayout is where kubeconform finds the schema of a kind below a folder.
const schemaLayout = "/{{.ResourceKind}}{{.KindSuffix}}.json"

// schemaModules are the modules of tools/kubernetes/schemas, and where each keeps its schemas: an OpenAPI document, or
// custom resource definitions.
func schemaModules() map[string]string {
	return map[string]string{
		"k8s.io/kubernetes":                                  "api/openapi-spec/swagger.json",
		"github.com/external-secrets/external-secrets":       "config/crds/bases/*.yaml",
		"github.com/prometheus-operator/prometheus-operator": "example/prometheus-operator-crd/*.yaml",
	}
}

// kinds are those that the manifests may be of. One that is not here has no schema, which is an error.
func kinds() map[string]string {
	return map[string]string{
		"Namespace": "v1", "ServiceAccount": "v1", "ConfigMap": "v1", "Service": "v1", "Deployment": "apps/v1", "DaemonSet": "apps/v1", "Job": "batch/v1", "CronJob": "batch/v1",
		"HorizontalPodAutoscaler": "autoscaling/v2", "PodDisruptionBudget": "policy/v1", "NetworkPolicy": "networking.k8s.io/v1",
		"PriorityClass": "scheduling.k8s.io/v1", "ExternalSecret": "external-secrets.io/v1", "SecretStore": "external-secrets.io/v1",
		"Role": "rbac.authorization.k8s.io/v1", "RoleBinding": "rbac.authorization.k8s.io/v1",
		"PodMonitor": "monitoring.coreos.com/v1", "Prometheus": "monitoring.coreos.com/v1", "PrometheusRule": "monitoring.coreos.com/v1",
		"ScrapeConfig": "monitoring.coreos.com/v1alpha1",
	}
}

// schemaFolder holds the schemas: they are converted once for all tests, since that takes a while.
var schemaFolder struct {
	once sync.Once
	name string
}

func TestMain(m *testing.M) {
	code := m.Run()
	if schemaFolder.name != "" {
		_ = os.RemoveAll(schemaFolder.name)
	}
	os.Exit(code)
}

// schemas returns a folder with a strict JSON schema, which refuses unknown fields, for each of the kinds. Without the
// modules at hand the test is skipped, or fails where tools are required.
func schemas(t *testing.T) string {
	t.Helper()
	files := map[string]string{}
	for module, pattern := range schemaModules() {
		files[module] = filepath.Join(deploytest.Module(t, "tools/kubernetes/schemas", module), pattern)
	}
	schemaFolder.once.Do(func() {
		out, err := os.MkdirTemp("", "meridian-schemas-") //nolint:usetesting // it outlives the test that makes it
		if err != nil {
			t.Fatal(err)
		}
		schemaFolder.name = out
		for _, pattern := range files {
			convertAll(t, pattern, out)
		}
	})
	return schemaFolder.name
}

// convertAll converts what is wanted of the files of a pattern.
func convertAll(t *testing.T, pattern, out string) {
	t.Helper()
	want, names := map[string]bool{}, []string{".json"}
	for kind, apiVersion := range kinds() {
		want[schemaName(apiVersion, kind)] = true
		plural := strings.ToLower(kind) + "s"
		if strings.HasSuffix(kind, "s") {
			plural = strings.ToLower(kind) + "es"
		}
		names = append(names, "_"+plural+".yaml")
	}
	found, err := filepath.Glob(pattern)
	if err != nil || len(found) == 0 {
		t.Fatalf("there is no %s (%v)", pattern, err)
	}
	for _, file := range found {
		if !slices.ContainsFunc(names, func(n string) bool { return strings.HasSuffix(file, n) }) {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		made, err := convert(file, text, want)
		if err != nil {
			t.Fatal(err)
		}
		for name, schema := range made {
			if err := os.WriteFile(filepath.Join(out, name), schema, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func convert(file string, text []byte, want map[string]bool) (map[string][]byte, error) {
	if strings.HasSuffix(file, ".json") {
		return fromOpenAPI(text, want)
	}
	return fromDefinition(text, want)
}

// schemaName is as kubeconform builds it: group up to its first dot, version.
func schemaName(apiVersion, kind string) string {
	group, version, grouped := strings.Cut(apiVersion, "/")
	name := strings.ToLower(kind) + "-" + strings.ToLower(strings.Split(group, ".")[0])
	if grouped {
		name += "-" + version
	}
	return name + ".json"
}

// fromOpenAPI converts the kinds that are wanted of Kubernetes' own OpenAPI 2 document.
func fromOpenAPI(text []byte, want map[string]bool) (map[string][]byte, error) {
	var doc struct{ Definitions map[string]map[string]any }
	if err := json.Unmarshal(text, &doc); err != nil {
		return nil, fmt.Errorf("read OpenAPI: %w", err)
	}
	out := map[string][]byte{}
	for name, definition := range doc.Definitions {
		kinds, _ := definition["x-kubernetes-group-version-kind"].([]any)
		for _, k := range kinds {
			gvk, ok := k.(map[string]any)
			if !ok {
				return nil, fmt.Errorf("%s is of the kind %v", name, k)
			}
			apiVersion := strings.TrimPrefix(fmt.Sprint(gvk["group"], "/", gvk["version"]), "/")
			file := schemaName(apiVersion, fmt.Sprint(gvk["kind"]))
			if !want[file] {
				continue
			}
			schema, err := json.Marshal(map[string]any{"$ref": reference + name, "definitions": reachable(doc.Definitions, name)})
			if err != nil {
				return nil, err
			}
			out[file] = schema
		}
	}
	return out, nil
}

const reference = "#/definitions/"

// reachable returns the definitions that one leads to, itself among them, made strict.
func reachable(all map[string]map[string]any, from string) map[string]any {
	out, queue := map[string]any{}, []string{from}
	for len(queue) > 0 {
		name := queue[0]
		queue = queue[1:]
		if out[name] != nil {
			continue
		}
		out[name] = strict(all[name], func(ref string) { queue = append(queue, strings.TrimPrefix(ref, reference)) })
		if strings.HasSuffix(name, ".resource.Quantity") {
			out[name] = map[string]any{"type": []string{"string", "number"}}
		}
	}
	return out
}

// fromDefinition converts a custom resource definition, if its kind is wanted.
func fromDefinition(text []byte, want map[string]bool) (map[string][]byte, error) {
	var crd struct {
		Spec struct {
			Group    string
			Names    struct{ Kind string }
			Versions []struct {
				Name   string
				Schema struct {
					Open map[string]any `yaml:"openAPIV3Schema"`
				}
			}
		}
	}
	if err := yaml.Unmarshal(text, &crd); err != nil {
		return nil, fmt.Errorf("read custom resource definition: %w", err)
	}
	out := map[string][]byte{}
	for _, v := range crd.Spec.Versions {
		file := schemaName(crd.Spec.Group+"/"+v.Name, crd.Spec.Names.Kind)
		if !want[file] {
			continue
		}
		schema, err := json.Marshal(strict(v.Schema.Open, func(string) {}))
		if err != nil {
			return nil, err
		}
		out[file] = schema
	}
	return out, nil
}

// strict turns an OpenAPI schema into a JSON schema that refuses fields which it does not list, and tells what it
// refers to.
func strict(schema map[string]any, refers func(string)) map[string]any {
	if schema["format"] == "int-or-string" || schema["x-kubernetes-int-or-string"] == true {
		return map[string]any{"type": []string{"integer", "string"}}
	}
	out := map[string]any{}
	for _, key := range []string{"type", "enum", "required", "pattern", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems"} {
		if v, ok := schema[key]; ok {
			out[key] = v
		}
	}
	if ref, ok := schema["$ref"].(string); ok {
		out["$ref"] = ref
		refers(ref)
	}
	for _, key := range []string{"items", "additionalProperties"} {
		if below, ok := schema[key].(map[string]any); ok {
			out[key] = strict(below, refers)
		}
	}
	for _, key := range []string{"anyOf", "oneOf", "allOf"} {
		if list, ok := schema[key].([]any); ok {
			out[key] = alternatives(list, refers)
		}
	}
	properties, ok := schema["properties"].(map[string]any)
	if !ok {
		return out
	}
	below := map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		schema, _ := properties[name].(map[string]any) // nothing known of it: anything goes
		below[name] = strict(schema, refers)
	}
	out["properties"] = below
	if out["additionalProperties"] == nil && schema["x-kubernetes-preserve-unknown-fields"] != true {
		out["additionalProperties"] = false
	}
	return out
}

// alternatives are conditions on an object whose fields are listed elsewhere, so they stay open.
func alternatives(list []any, refers func(string)) []any {
	var out []any
	for _, one := range list {
		condition, _ := one.(map[string]any)
		schema := strict(condition, refers)
		delete(schema, "additionalProperties")
		out = append(out, schema)
	}
	return out
}
