package kubernetes

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"go.yaml.in/yaml/v3"
)

// object is a Kubernetes object, as far as the checks look.
type object struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string
	Metadata   struct {
		Name, Namespace string
		Labels          map[string]string
	}
	Data       map[string]string
	Preemption string `yaml:"preemptionPolicy"`
	Spec       spec
	// Role, RoleBinding
	Rules []struct {
		Groups           []string `yaml:"apiGroups"`
		Resources, Verbs []string
	}
	Of struct{ Name string }         `yaml:"roleRef"`
	To []struct{ Kind, Name string } `yaml:"subjects"`
}

// spec has the fields of every kind that the checks look at.
type spec struct {
	Replicas int
	Template podTemplate
	// CronJob
	JobTemplate struct {
		Spec struct{ Template podTemplate }
	} `yaml:"jobTemplate"`
	// HorizontalPodAutoscaler
	ScaleTargetRef struct{ Kind, Name string } `yaml:"scaleTargetRef"`
	Metrics        []struct {
		Type string
		Pods struct{ Metric struct{ Name string } }
	}
	// NetworkPolicy
	PodSelector selector `yaml:"podSelector"`
	PolicyTypes []string `yaml:"policyTypes"`
	Ingress     []rule
	Egress      []rule
	// Service
	Selector yaml.Node // a Service's is a map, a PodMonitor's a selector
	Ports    []struct {
		TargetPort string `yaml:"targetPort"`
	}
	PodMetricsEndpoints []struct {
		Port        string
		Relabelings []relabeling
	} `yaml:"podMetricsEndpoints"`
	// ScrapeConfig
	JobName string `yaml:"jobName"`
	DNS     []struct {
		Names []string
		Port  int
	} `yaml:"dnsSDConfigs"`
	Relabelings []relabeling
	TLS         struct {
		CA struct{ Secret secretKey }
	} `yaml:"tlsConfig"`
	Authorization struct{ Credentials secretKey }
	// Prometheus
	PodMetadata    struct{ Labels map[string]string } `yaml:"podMetadata"`
	ServiceAccount string                             `yaml:"serviceAccountName"`
	Alerting       struct {
		Alertmanagers []struct{ Namespace string }
	}
	// ExternalSecret
	Target struct {
		Name     string
		Template struct{ Data map[string]string }
	}
	Secrets []struct {
		SecretKey string                         `yaml:"secretKey"`
		Remote    struct{ Key, Property string } `yaml:"remoteRef"`
	} `yaml:"data"`
}

type secretKey struct{ Name, Key string }

type podTemplate struct {
	Metadata struct{ Labels map[string]string }
	Spec     pod
}

type pod struct {
	EnableServiceLinks *bool  `yaml:"enableServiceLinks"`
	AutomountToken     *bool  `yaml:"automountServiceAccountToken"`
	HostNetwork        bool   `yaml:"hostNetwork"`
	ServiceAccount     string `yaml:"serviceAccountName"`
	Priority           string `yaml:"priorityClassName"`
	Grace              int    `yaml:"terminationGracePeriodSeconds"`
	SecurityContext    struct {
		SeccompProfile struct{ Type string } `yaml:"seccompProfile"`
	} `yaml:"securityContext"`
	TopologySpread []struct {
		TopologyKey string `yaml:"topologyKey"`
		Otherwise   string `yaml:"whenUnsatisfiable"`
	} `yaml:"topologySpreadConstraints"`
	Tolerations []toleration
	Containers  []container
	Volumes     []volume
}

type toleration struct {
	Key     string
	Seconds *int `yaml:"tolerationSeconds"`
}

type volume struct {
	Name   string
	Secret struct {
		Name string `yaml:"secretName"`
	}
	HostPath *yaml.Node `yaml:"hostPath"`
}

type containerPort struct {
	Name string
	Port int `yaml:"containerPort"`
}

type container struct {
	Name    string
	Image   string
	Args    []string
	EnvFrom []struct {
		ConfigMap struct{ Name string } `yaml:"configMapRef"`
	} `yaml:"envFrom"`
	Env []struct {
		Name, Value string
		From        struct {
			Secret struct{ Name, Key string } `yaml:"secretKeyRef"`
			Field  struct {
				Version string `yaml:"apiVersion"`
				Path    string `yaml:"fieldPath"`
			} `yaml:"fieldRef"`
		} `yaml:"valueFrom"`
	}
	Ports  []containerPort
	Mounts []struct {
		Name string
		Path string `yaml:"mountPath"`
	} `yaml:"volumeMounts"`
	Startup   *probe `yaml:"startupProbe"`
	Readiness *probe `yaml:"readinessProbe"`
	Liveness  *probe `yaml:"livenessProbe"`
	Resources struct {
		Limits struct{ Memory string }
	}
}

type probe struct {
	HTTP struct{ Path, Port string } `yaml:"httpGet"`
	TCP  struct{ Port string }       `yaml:"tcpSocket"`
}

type selector struct {
	Labels      map[string]string `yaml:"matchLabels"`
	Expressions []struct {
		Key, Operator string
		Values        []string
	} `yaml:"matchExpressions"`
}

type rule struct {
	From, To []peer
	Ports    []struct{ Port int }
}

type peer struct {
	IPBlock struct {
		CIDR   string
		Except []string
	} `yaml:"ipBlock"`
	Namespaces *selector `yaml:"namespaceSelector"`
	Pods       *selector `yaml:"podSelector"`
}

func (r rule) ports() []int {
	var out []int
	for _, p := range r.Ports {
		out = append(out, p.Port)
	}
	return out
}

// blocks returns the networks of peers, "" for one that is of the cluster.
func blocks(peers []peer) []string {
	var out []string
	for _, p := range peers {
		out = append(out, p.IPBlock.CIDR)
	}
	return out
}

// matches reports whether a selector takes in a pod's labels.
func (s selector) matches(labels map[string]string) bool {
	for k, v := range s.Labels {
		if labels[k] != v {
			return false
		}
	}
	for _, e := range s.Expressions {
		found := false
		for _, v := range e.Values {
			found = found || labels[e.Key] == v
		}
		if e.Operator != "In" || !found {
			return false
		}
	}
	return true
}

// isProduct reports whether an object runs the product's image.
func (o object) isProduct() bool {
	return len(o.Spec.Template.Spec.Containers) > 0 && o.Spec.Template.Spec.Containers[0].Name == "meridian"
}

// parse reads the objects of a stream.
func parse(t *testing.T, text string) []object {
	t.Helper()
	var out []object
	dec := yaml.NewDecoder(bytes.NewReader([]byte(text)))
	for {
		var o object
		err := dec.Decode(&o)
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatalf("after %d objects: %v\n%s", len(out), err, text)
		}
		if o.Kind == "CronJob" {
			o.Spec.Template = o.Spec.JobTemplate.Spec.Template
		}
		out = append(out, o)
	}
}
