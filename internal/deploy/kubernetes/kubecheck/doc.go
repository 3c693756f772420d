// Package kubecheck applies the Kubernetes manifests to a real control plane and watches what becomes of them. Etcd, the
// API server, its controllers and its scheduler run on loopback, built from their Go modules; kwok plays nine nodes in
// three zones and the pods on them. `make kube-check` runs it.
//
// It runs the kubectl commands of every page as they stand there, with PodSecurity, NodeRestriction and RBAC, as the
// deployer whose rights deploy/k8s/cluster grants, and holds what happens to what the pages promise: how many pods stay
// ready while a version is rolled out and rolled back, nodes are drained, a zone is lost, or a spike fills the nodes.
//
// What kwok plays, nobody has tested: images, probes, whether Secrets exist, NetworkPolicy, load balancers, and the
// metrics that autoscalers read.
package kubecheck
