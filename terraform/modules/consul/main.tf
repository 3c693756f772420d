# A data center in each region, three servers each, federated. A region that is lost takes its own data center and no
# other: each answers for itself (docs/adr/0012).
locals {
  tag = "meridian-consul" # servers find each other by this tag

  servers = merge([for region, r in var.regions : { for i, zone in r.zones : zone => {
    region  = region
    address = cidrhost(cidrsubnet(r.data_block, 4, i), 24)
  } }]...)

  bootstrapper = var.regions[var.primary].zones[0]
  names        = { for region in keys(var.regions) : region => "consul.${region}.${var.zone.name}" }

  certificates = { for region in keys(var.regions) : region => {
    common_name = "server.${region}.consul" # what servers and agents check of each other
    server      = true
    dns_names   = ["server.${region}.consul", local.names[region], "localhost"] # the second: edges of other regions
    addresses   = concat(["127.0.0.1"], [for s in local.servers : s.address if s.region == region])
  } }

  # All but the secrets, which are in files of their own beside it.
  configuration = { for zone, s in local.servers : zone => {
    datacenter           = s.region
    primary_datacenter   = var.primary
    node_name            = "consul-${zone}"
    server               = true
    bootstrap_expect     = length(var.regions[s.region].zones)
    data_dir             = "/var/lib/consul"
    bind_addr            = s.address
    addresses            = { http = "127.0.0.1", https = "0.0.0.0", grpc_tls = "127.0.0.1" } # clear text for the machine itself alone
    ports                = { http = 8500, https = 8501, grpc = -1, grpc_tls = 8503, dns = -1 }
    retry_join           = ["provider=aws region=${s.region} tag_key=${local.tag} tag_value=${var.name}-${s.region} addr_type=private_v4"]
    retry_join_wan       = [for r in sort(keys(var.regions)) : "provider=aws region=${r} tag_key=${local.tag} tag_value=${var.name}-${r} addr_type=private_v4" if r != s.region]
    retry_interval       = "5s"
    retry_interval_wan   = "5s" # the default, 30 s, is how long a region would stay unseen
    disable_update_check = true
    leave_on_terminate   = false # a server that stops comes back, or autopilot removes it
    acl = {
      enabled                  = true
      default_policy           = "deny"
      down_policy              = "extend-cache" # with the primary away, what is known stays valid
      enable_token_replication = true
    }
    tls = {
      defaults     = { ca_file = "/etc/consul/secret/ca.pem", cert_file = "/etc/consul/secret/server.pem", key_file = "/etc/consul/secret/server-key.pem", verify_outgoing = true }
      internal_rpc = { verify_incoming = true, verify_server_hostname = true }
      https        = { verify_incoming = false } # callers show a token
    }
    auto_encrypt = { allow_tls = true } # agents get certificates from their servers
    connect      = { enabled = true }   # which takes the certificate authority of this
    performance  = { raft_multiplier = 1 }
    autopilot    = { cleanup_dead_servers = true, min_quorum = 3 }
    telemetry    = { prometheus_retention_time = "1h", disable_hostname = true }
    limits       = { http_max_conns_per_client = 1000 }
  } }
}

data "aws_ssm_parameter" "image" {
  for_each = var.regions

  name   = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64"
  region = each.key
}

resource "aws_instance" "server" {
  for_each = local.servers

  region                 = each.value.region
  ami                    = data.aws_ssm_parameter.image[each.value.region].insecure_value
  instance_type          = var.size.consul.type
  subnet_id              = var.regions[each.value.region].subnets[each.key]
  private_ip             = each.value.address
  vpc_security_group_ids = [var.regions[each.value.region].security_groups["consul"]]
  iam_instance_profile   = aws_iam_instance_profile.server[each.value.region].name
  monitoring             = true
  user_data_base64 = base64gzip(templatefile("${path.module}/templates/server.yaml.tftpl", {
    region        = each.value.region
    version       = var.release.version
    sha256        = var.release.sha256
    configuration = jsonencode(local.configuration[each.key])
    secret        = aws_secretsmanager_secret.server[each.value.region].arn
    bootstrap     = each.key == local.bootstrapper
    bootstrap_arn = aws_secretsmanager_secret.bootstrap.arn
  }))

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

  tags = {
    Name        = "${var.name}-consul-${each.key}"
    (local.tag) = "${var.name}-${each.value.region}"
  }

  # As for the database: replaced one by one, by name.
  lifecycle {
    ignore_changes = [ami, instance_type, user_data, user_data_base64]
  }

  depends_on = [aws_iam_role_policy.server, aws_secretsmanager_secret_version.server, aws_secretsmanager_secret_version.bootstrap]
}

# All three addresses under one name: agents join there, and edges of other regions ask there.
resource "aws_route53_record" "servers" {
  for_each = var.regions

  zone_id = var.zone.id
  name    = local.names[each.key]
  type    = "A"
  ttl     = 30
  records = [for zone, s in local.servers : s.address if s.region == each.key]
}
