# Renders what machines are started with, by itself: no provider is needed for that.
locals {
  database = "${path.module}/terraform/modules/database/templates"
  consul   = "${path.module}/terraform/modules/consul/templates"
}

output "machines" {
  value = merge(
    { for first in [true, false] : "database ${first}" => templatefile("${local.database}/node.yaml.tftpl", {
      region        = "eu-west-1"
      zone          = "eu-west-1a"
      address       = "10.66.16.10"
      join          = "10.66.16.10:26257,10.66.17.10:26257"
      volume        = "vol0123456789abcdef0"
      version       = "v26.2.0"
      sha256        = "0000000000000000000000000000000000000000000000000000000000000000"
      certificates  = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:meridian/database/node/eu-west-1a-AbCdEf"
      bootstrap     = first
      bootstrap_arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:meridian/database/bootstrap-AbCdEf"
      state         = "/meridian-test/database/cluster"
    }) },
    { for first in [true, false] : "consul ${first}" => templatefile("${local.consul}/server.yaml.tftpl", {
      region        = "eu-west-1"
      version       = "1.22.7"
      sha256        = "0000000000000000000000000000000000000000000000000000000000000000"
      configuration = jsonencode({ datacenter = "eu-west-1", tls = { defaults = { verify_outgoing = true } } })
      secret        = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:meridian/consul-server-AbCdEf"
      bootstrap     = first
      bootstrap_arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:meridian/consul-bootstrap-AbCdEf"
    }) },
  )
}

output "sql" {
  value = templatefile("${local.database}/bootstrap.sql.tftpl", {
    organization = "Example"
    license      = "crl-0-EXAMPLEEXAMPLEEXAMPLE"
    destinations = ["s3://one?COCKROACH_LOCALITY=default", "s3://two?COCKROACH_LOCALITY=region%3Deu-west-1"]
  })
}

output "overlays" {
  value = merge({ for port in [9092, 9096] : port => {
    "kustomization.yaml" = templatefile("${path.module}/terraform/templates/kustomization.yaml.tftpl", {
      region        = "eu-west-1"
      zones         = ["eu-west-1a", "eu-west-1b", "eu-west-1d"]
      image         = port == 9092 ? { name = "registry.example.com:5000/meridian", kind = "newTag", version = "v1.4.0" } : { name = "meridian", kind = "digest", version = "sha256:${join("", [for i in range(64) : "0"])}" }
      consul        = { name = "hashicorp/consul", version = "1.22.7" }
      redis_address = "master.meridian.example.cache.amazonaws.com:6379"
      kafka_brokers = "b-1.example.com:${port},b-2.example.com:${port}"
      msk           = port == 9096
      global_view   = port == 9096
      remote_write  = jsonencode([{ url = "https://aps.example.com/workspaces/ws-1/api/v1/remote_write", sigv4 = { region = "us-east-1" } }])
    })
    "target-group.yaml" = templatefile("${path.module}/terraform/templates/target-group.yaml.tftpl", {
      target_group = "arn:aws:elasticloadbalancing:eu-west-1:111122223333:targetgroup/meridian-test-edge/0123456789abcdef"
    })
    } }, {
    cluster = {
      "kustomization.yaml" = file("${path.module}/terraform/templates/cluster.yaml")
      "storage-class.yaml" = templatefile("${path.module}/terraform/templates/storage-class.yaml.tftpl", {
        kms_key_arn = "arn:aws:kms:eu-west-1:111122223333:key/00000000-0000-0000-0000-000000000000"
      })
    }
    }, { for job in ["migrate", "audit"] : job => {
      "kustomization.yaml" = templatefile("${path.module}/terraform/templates/job.yaml.tftpl", {
        job = job, image = { name = "registry.example.com:5000/meridian", kind = "newTag", version = "v1.4.0" }
      })
  } })
}
