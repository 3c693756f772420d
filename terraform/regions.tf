# The regions are those of the catalog. Nothing else in this folder names one, so that an entry there is enough.
locals {
  catalog = yamldecode(file("${path.module}/../regions/regions.yaml"))

  regions = { for r in local.catalog.regions : r.name => {
    code  = r.code
    zones = lookup(var.zones, r.name, r.zones.aws)
    # The catalog's number of the region, unique and kept for ever: a region keeps its addresses when others come.
    index = tonumber(split(".", r.loopback)[2])
  } }

  # As EKS's network requirements list them.
  refused_zones = flatten([for name in keys(local.regions) : [
    for letter, id in module.region[name].zone_ids : "${letter} (${id})" if contains(["use1-az3", "usw1-az2", "cac1-az3"], id)
  ]])

  # Holds what exists once: Consul's ACL primary, the database's bootstrap, the provider's default region. It is the
  # catalog's first region, as for `meridian migrate`.
  primary = local.catalog.regions[0].name

  # A region's network is the index-th /16, in blocks by who lives there.
  networks = { for name, r in local.regions : name => {
    cidr   = cidrsubnet(var.network_cidr, 4, r.index)
    public = cidrsubnet(cidrsubnet(var.network_cidr, 4, r.index), 4, 0) # load balancers, NAT
    data   = cidrsubnet(cidrsubnet(var.network_cidr, 4, r.index), 4, 1) # database, Consul, cache, Kafka
    pods   = cidrsubnet(cidrsubnet(var.network_cidr, 4, r.index), 1, 1) # Kubernetes nodes and pods
  } }
}
