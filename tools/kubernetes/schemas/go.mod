// Modules that ship the schemas of Kubernetes and of the resources that operators add to it. Nothing of them is built:
// the tests of internal/deploy/kubernetes read files of theirs.
module github.com/meridian-commerce/meridian/tools/kubernetes/schemas

go 1.26.0

require (
	github.com/external-secrets/external-secrets v1.3.2
	github.com/prometheus-operator/prometheus-operator v0.85.0
	k8s.io/kubernetes v1.37.2
	// Its releases are of a major version that the module's path does not say.
	sigs.k8s.io/aws-load-balancer-controller v0.0.0-20221203001353-edeb4f1c1312
)
