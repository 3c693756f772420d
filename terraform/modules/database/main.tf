# One cluster over all regions. A node's address and volume outlive its machine, so that a machine can be replaced and
# the node comes back as the same one.
locals {
  # Zones have different names in every region: a zone names its node.
  nodes = merge([for region, r in var.regions : { for i, zone in r.zones : zone => {
    region  = region
    address = cidrhost(cidrsubnet(r.data_block, 4, i), 20)
  } }]...)

  # Any of them tells a new node of the others.
  join = join(",", [for zone in sort(keys(local.nodes)) : "${local.nodes[zone].address}:26257"])

  bootstrapper = var.regions[var.primary].zones[0]
  sql_names    = { for region in keys(var.regions) : region => "sql.${region}.${var.zone.name}" }

  user_data = { for zone, n in local.nodes : zone => templatefile("${path.module}/templates/node.yaml.tftpl", {
    region        = n.region
    zone          = zone
    address       = n.address
    join          = local.join
    volume        = replace(aws_ebs_volume.store[zone].id, "-", "")
    version       = var.release.version
    sha256        = var.release.sha256
    certificates  = aws_secretsmanager_secret.node[zone].arn
    bootstrap     = zone == local.bootstrapper
    bootstrap_arn = aws_secretsmanager_secret.bootstrap.arn
    state         = aws_ssm_parameter.state.name
  }) }
}

data "aws_ssm_parameter" "image" {
  for_each = var.regions

  name   = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64"
  region = each.key
}

resource "aws_network_interface" "node" {
  for_each = local.nodes

  region          = each.value.region
  description     = "CockroachDB in ${each.key}"
  subnet_id       = var.regions[each.value.region].subnets[each.key]
  private_ips     = [each.value.address]
  security_groups = [var.regions[each.value.region].security_groups["database"]]

  tags = { Name = "${var.name}-database-${each.key}" }
}

resource "aws_ebs_volume" "store" {
  for_each = local.nodes

  region            = each.value.region
  availability_zone = each.key
  type              = "gp3"
  size              = var.size.database.gib
  iops              = var.size.database.iops
  throughput        = var.size.database.mibps
  encrypted         = true
  kms_key_id        = var.regions[each.value.region].kms_key_arn
  final_snapshot    = var.size.protect

  tags = { Name = "${var.name}-database-${each.key}" }
}

resource "aws_instance" "node" {
  for_each = local.nodes

  region               = each.value.region
  ami                  = data.aws_ssm_parameter.image[each.value.region].insecure_value
  instance_type        = var.size.database.type
  iam_instance_profile = aws_iam_instance_profile.node[each.value.region].name
  user_data_base64     = base64gzip(local.user_data[each.key])
  monitoring           = true
  ebs_optimized        = true

  primary_network_interface {
    network_interface_id = aws_network_interface.node[each.key].id
  }

  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  root_block_device {
    encrypted   = true
    kms_key_id  = var.regions[each.value.region].kms_key_arn
    volume_type = "gp3"
    volume_size = 20
  }

  tags = { Name = "${var.name}-database-${each.key}" }

  # A new image, size, release or setting changes no running node, all of which it would at once: README.md says how to
  # replace them one by one.
  lifecycle {
    ignore_changes = [ami, instance_type, user_data, user_data_base64]
  }

  # The node reads these while it starts.
  depends_on = [aws_iam_role_policy.node, aws_secretsmanager_secret_version.node, aws_secretsmanager_secret_version.bootstrap]
}

resource "aws_volume_attachment" "store" {
  for_each = local.nodes

  region                         = each.value.region
  device_name                    = "/dev/sdf"
  volume_id                      = aws_ebs_volume.store[each.key].id
  instance_id                    = aws_instance.node[each.key].id
  stop_instance_before_detaching = true # a stopped node has drained and closed its store
}
