# What terraform puts out for each region and job, by itself: no provider is needed for that.
variable "zones" {
  type = map(list(string))
}

locals {
  image = { name = "registry.example.com/meridian", kind = "digest", version = "sha256:${join("", [for i in range(64) : "a"])}" }
}

output "overlays" {
  value = merge({ for region, zones in var.zones : region => {
    "kustomization.yaml" = templatefile("${path.module}/templates/kustomization.yaml.tftpl", {
      region        = region
      zones         = zones
      image         = local.image
      consul        = { name = "hashicorp/consul", version = "1.22.7" }
      redis_address = "master.meridian.example.cache.amazonaws.com:6379"
      kafka_brokers = "b-1.example.com:9096,b-2.example.com:9096"
      msk           = true
      global_view   = true
      remote_write = jsonencode([for name in keys(var.zones) : {
        url   = "https://aps.example.com/${name}/api/v1/remote_write"
        sigv4 = { region = name }
      }])
    })
    "target-group.yaml" = templatefile("${path.module}/templates/target-group.yaml.tftpl", {
      target_group = "arn:aws:elasticloadbalancing:${region}:111122223333:targetgroup/meridian-test-edge/0123456789abcdef"
    })
    } }, { for region in keys(var.zones) : "${region}-cluster" => {
    "kustomization.yaml" = file("${path.module}/templates/cluster.yaml")
    "storage-class.yaml" = templatefile("${path.module}/templates/storage-class.yaml.tftpl", {
      kms_key_arn = "arn:aws:kms:${region}:111122223333:key/00000000-0000-0000-0000-000000000000"
    })
    } }, { for job in ["migrate", "audit"] : job => {
    "kustomization.yaml" = templatefile("${path.module}/templates/job.yaml.tftpl", { job = job, image = local.image })
  } })
}
