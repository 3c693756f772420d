# Applied to mocks: what is known only then.

mock_provider "aws" {
  source = "./tests/mocks"
}

mock_provider "random" {}

mock_provider "tls" {}

variables {
  environment            = "test"
  domain                 = "shop.example.com"
  zone_id                = "Z0123456789ABCDEFGHIJ"
  image                  = "registry.example.com/meridian:v1.4.0"
  admin_role_arns        = ["arn:aws:iam::111122223333:role/operators"]
  cockroach_license      = "crl-0-EXAMPLEEXAMPLEEXAMPLE"
  cockroach_organization = "Example"
  cockroach_release      = { version = "v26.2.0", sha256 = "0000000000000000000000000000000000000000000000000000000000000000" }
  consul_release         = { version = "1.22.7", sha256 = "0000000000000000000000000000000000000000000000000000000000000000" }
  size                   = "prod"
  kafka                  = "msk"
  cdn                    = true
  entry                  = "latency-records"
  managed_prometheus     = true
  alarm_email            = "operators@example.com"
  admin_cidrs            = ["192.0.2.0/24"]
}

run "everything_that_can_be_chosen" {
  assert {
    condition     = alltrue([for zone, n in module.database.addresses : strcontains(module.database.user_data[zone], "--locality=region=${n.region},zone=${zone}") && strcontains(module.database.user_data[zone], "--advertise-addr=${n.address}:26257")])
    error_message = "a database node does not say where it is"
  }

  assert {
    condition     = alltrue(flatten([for d in module.database.user_data : [for n in module.database.addresses : strcontains(d, "${n.address}:26257")]]))
    error_message = "a database node does not know all the others"
  }

  assert {
    condition     = [for zone, d in module.database.user_data : zone if strcontains(d, "cockroach init")] == [local.regions[local.primary].zones[0]]
    error_message = "not exactly the first node makes the cluster"
  }

  assert {
    condition     = !anytrue([for d in module.database.user_data : strcontains(d, "crl-") || strcontains(d, "PRIVATE KEY")])
    error_message = "a secret is in user data, which is none"
  }

  assert {
    condition = alltrue([for name, o in local.overlays : alltrue([
      strcontains(o["kustomization.yaml"], "../../regions/${name}\n"), strcontains(o["kustomization.yaml"], "MERIDIAN_REDIS_ADDRESS=master."),
      strcontains(o["kustomization.yaml"], "newName: registry.example.com/meridian\n    newTag: v1.4.0\n"),
      strcontains(o["kustomization.yaml"], "../../redis-tls\n"), strcontains(o["kustomization.yaml"], "../../kafka-tls\n"), strcontains(o["target-group.yaml"], "targetGroupARN: arn:aws:"),
    ])])
    error_message = "an overlay does not fit its region"
  }

  assert {
    condition     = length(module.kafka) == length(output.regions) && alltrue([for k in module.kafka : k.encryption.clients == "TLS" && k.encryption.brokers && k.encryption.key != null && k.encryption.number_of == 3])
    error_message = "a region has no Kafka of three brokers that encrypts"
  }

  assert {
    condition     = length(module.global.addresses) == 0 && length(module.global.entries) == length(output.regions)
    error_message = "latency records do not lead to every region"
  }

  assert {
    condition     = output.endpoints.api == "https://api.shop.example.com" && output.endpoints.cdn == "https://cdn.shop.example.com"
    error_message = "the endpoints are not named by the domain"
  }

  assert {
    condition     = alltrue([for p in output.prometheus : p != null]) && alltrue([for r in module.region : contains(r.identities, "meridian/prometheus")])
    error_message = "a region has no managed Prometheus, or its own may not write to it"
  }

  assert {
    condition = alltrue([for o in local.overlays : alltrue([for name in output.regions :
      strcontains(o["kustomization.yaml"], "\"sigv4\":{\"region\":\"${name}\"}")
    ]) && strcontains(o["kustomization.yaml"], "../../global-view\n") && strcontains(o["kustomization.yaml"], "meridian_lease_held")])
    error_message = "a region does not tell the global view of every region"
  }

  assert {
    condition     = toset(keys(local.global_rules)) == toset(["alerts", "places", "regions"]) && alltrue([for r in local.global_rules : strcontains(r, "\ngroups:\n")])
    error_message = "the global views do not evaluate the rules of all regions: ${join(", ", keys(local.global_rules))}"
  }

  assert {
    condition     = alltrue([for c in output.kubeconfig : startswith(c, "aws eks update-kubeconfig --region ")]) && alltrue([for r in module.region : r.cluster.public])
    error_message = "there is no way to a cluster"
  }
}

run "kubernetes_api_closed_to_the_internet" {
  variables {
    admin_cidrs = []
  }

  assert {
    condition     = length(distinct([for t in output.tunnels : regex("localPortNumber=([0-9]+)$", t)[0]])) == length(output.regions)
    error_message = "two tunnels begin at one port, so that they cannot be open together"
  }

  assert {
    condition = alltrue([for region, t in output.tunnels : strcontains(
      output.kubeconfig[region],
      " && kubectl config set-cluster ${module.region[region].cluster.arn} --server=https://localhost:${regex("localPortNumber=([0-9]+)$", t)[0]} --tls-server-name=${regex("host=([^,]+),", t)[0]}",
    )])
    error_message = "kubectl is not told to go through a region's tunnel"
  }
}
