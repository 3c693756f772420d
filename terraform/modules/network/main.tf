# A full mesh of peerings: for each pair of regions one, asked for by the region with the lower number. Pods and nodes
# keep their addresses across it. docs/adr/0025 says why not a transit gateway.
locals {
  pairs = { for p in setproduct(keys(var.regions), keys(var.regions)) : "${p[0]}/${p[1]}" => { from = p[0], to = p[1] }
  if var.regions[p[0]].index < var.regions[p[1]].index }

  # From each private route table to each other region.
  routes = merge([for key, p in local.pairs : merge(
    { for zone, id in var.regions[p.from].route_tables : "${zone}/${p.to}" => {
      region = p.from, table = id, cidr = var.regions[p.to].cidr, pair = key
    } },
    { for zone, id in var.regions[p.to].route_tables : "${zone}/${p.from}" => {
      region = p.to, table = id, cidr = var.regions[p.from].cidr, pair = key
    } },
  )]...)
}

resource "aws_vpc_peering_connection" "this" {
  for_each = local.pairs

  region      = each.value.from
  vpc_id      = var.regions[each.value.from].vpc_id
  peer_vpc_id = var.regions[each.value.to].vpc_id
  peer_region = each.value.to
  auto_accept = false # the other region accepts, below

  tags = { Name = "${var.name} ${each.value.from} ${each.value.to}" }
}

resource "aws_vpc_peering_connection_accepter" "this" {
  for_each = local.pairs

  region                    = each.value.to
  vpc_peering_connection_id = aws_vpc_peering_connection.this[each.key].id
  auto_accept               = true

  tags = { Name = "${var.name} ${each.value.from} ${each.value.to}" }
}

resource "aws_route" "this" {
  for_each = local.routes

  region                    = each.value.region
  route_table_id            = each.value.table
  destination_cidr_block    = each.value.cidr
  vpc_peering_connection_id = aws_vpc_peering_connection_accepter.this[each.value.pair].id
}

# Names that mean the same in every region.
resource "aws_route53_zone" "private" {
  name          = var.zone
  comment       = "${var.name}: names inside the regions"
  force_destroy = true # its records are this configuration's, or of no use without it

  dynamic "vpc" {
    for_each = var.regions

    content {
      vpc_id     = vpc.value.vpc_id
      vpc_region = vpc.key
    }
  }
}
