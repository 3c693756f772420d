# What the variables refuse, each with a reason in its message.

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
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
}

run "of_the_wrong_kind" {
  command = plan

  variables {
    cockroach_license      = ""
    cockroach_organization = "O'Example"
    cockroach_release      = { version = "v26.2.0", sha256 = "latest" }
    consul_release         = { version = "latest", sha256 = "0000000000000000000000000000000000000000000000000000000000000000" }
    environment            = "Production"
    account_id             = "production"
    entry                  = "round-robin"
    kafka                  = "redpanda"
    admin_cidrs            = ["0.0.0.0/0"]
    admin_role_arns        = []
    domain                 = "https://shop.example.com"
    zone_id                = "shop.example.com"
    alarm_email            = "operators"
    kubernetes_version     = "1.35.2"
    network_cidr           = "10.64.0.0/16"
    image                  = "registry.example.com/meridian"
    zones                  = { mars-1 = ["mars-1a", "mars-1b", "mars-1c"] }
  }

  expect_failures = [
    var.cockroach_license,
    var.cockroach_organization,
    var.cockroach_release,
    var.consul_release,
    var.environment,
    var.account_id,
    var.entry,
    var.kafka,
    var.admin_cidrs,
    var.admin_role_arns,
    var.domain,
    var.zone_id,
    var.alarm_email,
    var.kubernetes_version,
    var.network_cidr,
    var.image,
    var.zones,
  ]
}

# A key with a quote would end the SQL string that it stands in; ten letters are what resource names have room for.
run "close_to_right" {
  command = plan

  variables {
    cockroach_license = "crl-0-EXAMPLEEXAMPLEEXAMPLE'; DROP DATABASE meridian; --"
    cockroach_release = { version = "latest", sha256 = "0000000000000000000000000000000000000000000000000000000000000000" }
    consul_release    = { version = "1.22.7", sha256 = "" }
    environment       = "preproduction"
    admin_cidrs       = ["office"]
    admin_role_arns   = ["arn:aws:iam::111122223333:user/ada"]
    domain            = "localhost"
    network_cidr      = "172.16.0.0/12"
    image             = "registry.example.com/meridian@sha256:latest"
    zones             = { us-east-1 = ["us-east-1a", "us-east-1a", "us-east-1b"] }
  }

  expect_failures = [
    var.cockroach_license,
    var.cockroach_release,
    var.consul_release,
    var.environment,
    var.admin_cidrs,
    var.admin_role_arns,
    var.domain,
    var.network_cidr,
    var.image,
    var.zones,
  ]
}

# The account's letter for a zone that EKS takes no cluster in.
run "zone_without_eks" {
  command = plan

  override_data {
    target          = module.region["us-east-1"].data.aws_availability_zone.this["us-east-1c"]
    values          = { zone_id = "use1-az3" }
    override_during = plan
  }

  expect_failures = [
    output.regions,
  ]
}

# Of the right form, and older than what keeps prepared statements working while regions are added; a cluster would move by two
# versions at once.
run "too_old" {
  command = plan

  variables {
    kubernetes_version  = "1.35"
    kubernetes_versions = { eu-west-1 = "1.37" }
    cockroach_release   = { version = "v26.1.9", sha256 = "0000000000000000000000000000000000000000000000000000000000000000" }
  }

  expect_failures = [
    var.cockroach_release,
    var.kubernetes_versions,
  ]
}

# By itself: nothing else can be planned without a size.
run "unknown_size" {
  command = plan

  variables {
    size = "huge"
  }

  expect_failures = [
    var.size,
  ]
}
