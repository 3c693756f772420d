# What deploy/k8s needs to know of this, as files to be written and applied: an overlay on each region's own. The jobs beside
# them have theirs in outputs.tf.
locals {
  image = merge(
    regex("^(?P<name>.+?)(?:@|:)(?P<version>sha256:[0-9a-f]+|[^:/@]+)$", var.image),
    { kind = strcontains(var.image, "@") ? "digest" : "newTag" },
  )

  overlays = { for name, r in local.regions : name => {
    "kustomization.yaml" = templatefile("${path.module}/templates/kustomization.yaml.tftpl", {
      region        = name
      zones         = r.zones
      image         = local.image
      consul        = { name = var.consul_image, version = var.consul_release.version } # agents are as old as their servers
      redis_address = module.region[name].cache.address
      kafka_brokers = var.kafka == "msk" ? module.kafka[name].brokers : "kafka-bootstrap.kafka.svc:9092"
      msk           = var.kafka == "msk"
      global_view   = var.managed_prometheus
      remote_write  = jsonencode(local.global_views)
    })
    "target-group.yaml" = templatefile("${path.module}/templates/target-group.yaml.tftpl", {
      target_group = module.region[name].edge.target_group_arn
    })
  } }
}

# What an administrator makes once in each cluster.
locals {
  clusters = { for name in keys(local.regions) : "${name}-cluster" => {
    "kustomization.yaml" = file("${path.module}/templates/cluster.yaml")
    "storage-class.yaml" = templatefile("${path.module}/templates/storage-class.yaml.tftpl", {
      kms_key_arn = module.region[name].kms_key_arn
    })
  } }
}

# Where all regions come together, what is told there, and by which rules it is judged.
locals {
  told = yamldecode(file("${path.module}/../deploy/k8s/global-view/prometheus.yaml")).spec.remoteWrite[0].writeRelabelConfigs

  global_views = !var.managed_prometheus ? [] : [for name in keys(local.regions) : {
    url                 = "${module.observability[name].prometheus}api/v1/remote_write"
    sigv4               = { region = name }
    writeRelabelConfigs = local.told
  }]

  rules = "${path.module}/../deploy/prometheus/rules"
  global_rules = merge(
    { places = file("${local.rules}/regions.yml") },
    { for f in fileset("${local.rules}/global", "*.yml") : trimsuffix(f, ".yml") => file("${local.rules}/global/${f}") },
  )
}
