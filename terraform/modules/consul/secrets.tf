# The gossip key and tokens are the same everywhere: regions gossip with each other, and tokens are copied.
resource "random_id" "gossip" {
  byte_length = 32
}

resource "random_uuid" "token" {
  for_each = toset(["management", "replication", "agent", "meridian", "prometheus", "operator"])
}

resource "random_uuid" "accessor" {
  for_each = toset(["replication", "agent", "meridian", "prometheus", "operator"])
}

module "authority" {
  source = "../authority"

  name   = "${var.name} consul"
  leaves = local.certificates
}

resource "aws_secretsmanager_secret" "server" {
  for_each = var.regions

  name                    = "meridian/consul-server"
  region                  = each.key
  description             = "What the Consul servers of the region need to start"
  kms_key_id              = each.value.kms_key_arn
  recovery_window_in_days = var.size.secret_days
}

resource "aws_secretsmanager_secret_version" "server" {
  for_each = var.regions

  region    = each.key
  secret_id = aws_secretsmanager_secret.server[each.key].id
  secret_string = jsonencode({
    "ca.pem"         = module.authority.certificate
    "server.pem"     = module.authority.leaves[each.key].certificate
    "server-key.pem" = module.authority.leaves[each.key].key
    "secret.json" = jsonencode({
      encrypt = random_id.gossip.b64_std
      acl = { tokens = merge(
        { agent = random_uuid.token["agent"].result },
        each.key == var.primary ? { initial_management = random_uuid.token["management"].result } : { replication = random_uuid.token["replication"].result },
      ) }
    })
  })
}

# What the first server makes once: the policies and tokens of all the others.
locals {
  policies = {
    replication = "acl = \"write\"\noperator = \"write\"\nservice_prefix \"\" {\n  policy = \"read\"\n  intentions = \"read\"\n}\n"
    agent       = "node_prefix \"\" {\n  policy = \"write\"\n}\nservice_prefix \"\" {\n  policy = \"read\"\n}\n"
    # Edges and stacks: register themselves, find stacks, read drains and coordinates.
    meridian = "service \"meridian\" {\n  policy = \"write\"\n}\nservice \"meridian-edge\" {\n  policy = \"write\"\n}\nservice_prefix \"\" {\n  policy = \"read\"\n}\nnode_prefix \"\" {\n  policy = \"read\"\n}\nkey_prefix \"meridian/\" {\n  policy = \"read\"\n}\n"
    # People, for `meridian region`, `meridian rollout` and `meridian keys rotate`: drain and undrain regions, and see what is there.
    operator = "key_prefix \"meridian/\" {\n  policy = \"write\"\n}\nservice_prefix \"\" {\n  policy = \"read\"\n}\nnode_prefix \"\" {\n  policy = \"read\"\n}\n"
    # Reads the servers' own figures.
    prometheus = "agent_prefix \"\" {\n  policy = \"read\"\n}\n"
  }
}

resource "aws_secretsmanager_secret" "bootstrap" {
  name                    = "meridian/consul-bootstrap"
  region                  = var.primary
  description             = "Management token of Consul, and the tokens to make with it"
  kms_key_id              = var.regions[var.primary].kms_key_arn
  recovery_window_in_days = var.size.secret_days
}

resource "aws_secretsmanager_secret_version" "bootstrap" {
  region    = var.primary
  secret_id = aws_secretsmanager_secret.bootstrap.id
  secret_string = jsonencode(merge(
    { management = random_uuid.token["management"].result },
    { for name, rules in local.policies : "${name}.hcl" => rules },
    { for name in keys(local.policies) : "${name}.ids" => "${random_uuid.accessor[name].result} ${random_uuid.token[name].result}\n" },
  ))
}

# What deploy/k8s and Prometheus read.
resource "aws_secretsmanager_secret" "client" {
  for_each = var.regions

  name                    = "meridian/consul"
  region                  = each.key
  description             = "What the Consul agents, the product's pods and Prometheus need"
  kms_key_id              = each.value.kms_key_arn
  recovery_window_in_days = var.size.secret_days
}

resource "aws_secretsmanager_secret_version" "client" {
  for_each = var.regions

  region    = each.key
  secret_id = aws_secretsmanager_secret.client[each.key].id
  secret_string = jsonencode({
    ca               = module.authority.certificate
    gossip_key       = random_id.gossip.b64_std
    agent_token      = random_uuid.token["agent"].result
    meridian_token   = random_uuid.token["meridian"].result
    prometheus_token = random_uuid.token["prometheus"].result
  })
}

# What operators drain regions with. Whoever administers may read it; no pod does.
resource "aws_secretsmanager_secret" "operator" {
  name                    = "meridian/consul-operator"
  region                  = var.primary
  description             = "Consul token by which operators drain regions and roll out versions"
  kms_key_id              = var.regions[var.primary].kms_key_arn
  recovery_window_in_days = var.size.secret_days
}

resource "aws_secretsmanager_secret_version" "operator" {
  region        = var.primary
  secret_id     = aws_secretsmanager_secret.operator.id
  secret_string = random_uuid.token["operator"].result
}
