# Secrets that are the same in every region: one secret with a replica in each.
locals {
  # Made by operators with `meridian keys generate` and put in by hand, so that they are in no state file.
  handmade = {
    "keys/auth"      = "Ed25519 keys that sign and verify access tokens"
    "keys/directory" = "Key of the account directory"
    "edge/tls"       = "Certificate and key of the API, as JSON: certificate, key"
  }

  # The names by which edges and stacks know each other.
  peers = { edge = "edge.${local.zone}", stack = "stack.${local.zone}" }
}

module "peers" {
  source = "./modules/authority"

  name   = "${local.name} peers"
  leaves = { for role, name in local.peers : role => { common_name = name, dns_names = [name], server = role == "stack" } }
}

resource "aws_secretsmanager_secret" "shared" {
  for_each = merge(local.handmade, { for role, name in local.peers : "peer/${role}" => "Certificate of ${name}, for mutual TLS between edges and stacks" })

  name                    = "meridian/${each.key}"
  region                  = local.primary
  description             = each.value
  kms_key_id              = module.region[local.primary].kms_key_arn
  recovery_window_in_days = local.size.secret_days

  dynamic "replica" {
    for_each = { for name in keys(local.regions) : name => module.region[name].kms_key_arn if name != local.primary }

    content {
      region     = replica.key
      kms_key_id = replica.value
    }
  }
}

resource "aws_secretsmanager_secret_version" "peer" {
  for_each = local.peers

  region    = local.primary
  secret_id = aws_secretsmanager_secret.shared["peer/${each.key}"].id
  secret_string = jsonencode({
    certificate = module.peers.leaves[each.key].certificate
    key         = module.peers.leaves[each.key].key
    ca          = module.peers.certificate
  })
}
