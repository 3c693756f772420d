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
      redis_address = module.region[name].cache.address
      kafka_brokers = var.kafka == "msk" ? module.kafka[name].brokers : "kafka-bootstrap.kafka.svc:9092"
      msk           = var.kafka == "msk"
    })
    "target-group.yaml" = templatefile("${path.module}/templates/target-group.yaml.tftpl", {
      target_group = module.region[name].edge.target_group_arn
    })
  } }
}
