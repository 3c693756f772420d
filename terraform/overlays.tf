# What deploy/k8s needs to know of this: an overlay on each region's own, as files to be written and applied.
locals {
  overlays = { for name in keys(local.regions) : name => {
    "kustomization.yaml" = templatefile("${path.module}/templates/kustomization.yaml.tftpl", {
      region        = name
      redis_address = module.region[name].cache.address
      kafka_brokers = var.kafka == "msk" ? module.kafka[name].brokers : "kafka-bootstrap.kafka.svc:9092"
      msk           = var.kafka == "msk"
    })
    "target-group.yaml" = templatefile("${path.module}/templates/target-group.yaml.tftpl", {
      target_group = module.region[name].edge.target_group_arn
    })
  } }
}
