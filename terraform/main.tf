locals {
  name = "meridian-${var.environment}"
  zone = "meridian.internal" # private names; deploy/k8s counts on them
}

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

module "region" {
  source   = "./modules/region"
  for_each = local.regions

  name               = local.name
  region             = each.key
  code               = each.value.code
  zones              = each.value.zones
  network            = local.networks[each.key]
  networks           = local.networks
  size               = local.size
  account_id         = data.aws_caller_identity.current.account_id
  partition          = data.aws_partition.current.partition
  kubernetes_version = lookup(var.kubernetes_versions, each.key, var.kubernetes_version)
  admin_role_arns    = var.admin_role_arns
  admin_cidrs        = var.admin_cidrs
  internal           = var.entry == "global-accelerator"
  prometheus         = var.managed_prometheus
}

module "network" {
  source = "./modules/network"

  name = local.name
  zone = local.zone
  regions = { for name, r in local.regions : name => {
    index        = r.index
    cidr         = local.networks[name].cidr
    vpc_id       = module.region[name].vpc_id
    route_tables = module.region[name].private_route_tables
  } }
}

module "database" {
  source = "./modules/database"

  name         = local.name
  account_id   = data.aws_caller_identity.current.account_id
  partition    = data.aws_partition.current.partition
  size         = local.size
  license      = var.cockroach_license
  organization = var.cockroach_organization
  release      = var.cockroach_release
  primary      = local.primary
  zone         = { id = module.network.zone_id, name = local.zone }
  regions = { for name, r in local.regions : name => {
    code            = r.code
    zones           = r.zones
    data_block      = local.networks[name].data
    vpc_id          = module.region[name].vpc_id
    subnets         = module.region[name].data_subnets
    kms_key_arn     = module.region[name].kms_key_arn
    security_groups = module.region[name].security_groups
  } }
}

module "consul" {
  source = "./modules/consul"

  name      = local.name
  partition = data.aws_partition.current.partition
  size      = local.size
  release   = var.consul_release
  primary   = local.primary
  zone      = { id = module.network.zone_id, name = local.zone }
  regions = { for name, r in local.regions : name => {
    code            = r.code
    zones           = r.zones
    data_block      = local.networks[name].data
    subnets         = module.region[name].data_subnets
    kms_key_arn     = module.region[name].kms_key_arn
    security_groups = module.region[name].security_groups
  } }
}

module "kafka" {
  source   = "./modules/kafka"
  for_each = var.kafka == "msk" ? local.regions : {}

  name           = local.name
  region         = each.key
  subnets        = module.region[each.key].data_subnets
  security_group = module.region[each.key].security_groups.kafka
  kms_key_arn    = module.region[each.key].kms_key_arn
  log_key_arn    = module.region[each.key].log_key_arn
  size           = local.size
}

module "observability" {
  source   = "./modules/observability"
  for_each = local.regions

  name        = local.name
  region      = each.key
  code        = each.value.code
  log_key_arn = module.region[each.key].log_key_arn
  email       = var.alarm_email
  detailed    = local.size.detailed_alarms
  prometheus  = var.managed_prometheus
  rules       = local.global_rules
  account_id  = data.aws_caller_identity.current.account_id
  edge        = module.region[each.key].edge
  cache_ids   = module.region[each.key].cache.members
  sql         = module.database.balancers[each.key]
  instances = merge(
    { for zone, id in module.database.instances[each.key] : "database-${zone}" => id },
    { for zone, id in module.consul.instances[each.key] : "consul-${zone}" => id },
  )
}

module "global" {
  source = "./modules/global"

  name               = local.name
  host               = "api.${var.domain}"
  alternatives       = var.cdn ? ["cdn.${var.domain}"] : []
  zone_id            = var.zone_id
  entry              = var.entry
  certificate_region = local.primary
  edges              = { for name in keys(local.regions) : name => module.region[name].edge }
}

module "cdn" {
  source = "./modules/cdn"
  count  = var.cdn ? 1 : 0

  name    = local.name
  host    = "cdn.${var.domain}"
  origin  = module.global.host
  zone_id = var.zone_id
}
