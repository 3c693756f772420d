module "authority" {
  source = "../authority"

  name = "${var.name} database"
  leaves = merge(
    { for zone, n in local.nodes : "node-${zone}" => {
      common_name = "node"
      server      = true
      dns_names   = ["localhost", local.sql_names[n.region]]
      addresses   = ["127.0.0.1", n.address]
    } },
    { for user in ["root", "meridian", "meridian_owner"] : user => { common_name = user } },
  )
}

resource "aws_secretsmanager_secret" "node" {
  for_each = local.nodes

  name                    = "meridian/database/node/${each.key}"
  region                  = each.value.region
  description             = "Certificate of the CockroachDB node in ${each.key}"
  kms_key_id              = var.regions[each.value.region].kms_key_arn
  recovery_window_in_days = var.size.secret_days
}

resource "aws_secretsmanager_secret_version" "node" {
  for_each = local.nodes

  region    = each.value.region
  secret_id = aws_secretsmanager_secret.node[each.key].id
  secret_string = jsonencode({
    "ca.crt"   = module.authority.certificate
    "node.crt" = module.authority.leaves["node-${each.key}"].certificate
    "node.key" = module.authority.leaves["node-${each.key}"].key
  })
}

# What the first node runs once: the root user's certificate, and the SQL.
resource "aws_secretsmanager_secret" "bootstrap" {
  name                    = "meridian/database/bootstrap"
  region                  = var.primary
  description             = "Root certificate and first SQL of the CockroachDB cluster"
  kms_key_id              = var.regions[var.primary].kms_key_arn
  recovery_window_in_days = var.size.secret_days
}

resource "aws_secretsmanager_secret_version" "bootstrap" {
  region    = var.primary
  secret_id = aws_secretsmanager_secret.bootstrap.id
  secret_string = jsonencode({
    "ca.crt"          = module.authority.certificate
    "client.root.crt" = module.authority.leaves["root"].certificate
    "client.root.key" = module.authority.leaves["root"].key
    "bootstrap.sql" = templatefile("${path.module}/templates/bootstrap.sql.tftpl", {
      organization = var.organization
      license      = var.license
      destinations = local.backup_destinations
    })
  })
}

# What deploy/k8s reads: one user for the stacks, one that owns the tables for `meridian migrate`.
locals {
  logins = merge([for region in keys(var.regions) : {
    "${region}/app"   = { region = region, secret = "app", user = "meridian" }
    "${region}/owner" = { region = region, secret = "owner", user = "meridian_owner" }
  }]...)
  url_options = "sslmode=verify-full&sslrootcert=/etc/meridian/database/ca.crt&sslcert=/etc/meridian/database/client.crt&sslkey=/etc/meridian/database/client.key"
}

resource "aws_secretsmanager_secret" "login" {
  for_each = local.logins

  name                    = "meridian/database/${each.value.secret}"
  region                  = each.value.region
  description             = "Database login of ${each.value.user}"
  kms_key_id              = var.regions[each.value.region].kms_key_arn
  recovery_window_in_days = var.size.secret_days
}

resource "aws_secretsmanager_secret_version" "login" {
  for_each = local.logins

  region    = each.value.region
  secret_id = aws_secretsmanager_secret.login[each.key].id
  secret_string = jsonencode({
    url         = "postgres://${each.value.user}@${local.sql_names[each.value.region]}:26257/meridian?${local.url_options}"
    ca          = module.authority.certificate
    certificate = module.authority.leaves[each.value.user].certificate
    key         = module.authority.leaves[each.value.user].key
  })
}

# Whether the cluster exists. The first node asks before it makes one, and writes here that it did: a node that lost its
# volume must join the old cluster, never make a second one.
resource "aws_ssm_parameter" "state" {
  name        = "/${var.name}/database/cluster"
  region      = var.primary
  description = "new: the first node makes the cluster; initialized: it did"
  type        = "String"
  value       = "new"

  lifecycle {
    ignore_changes = [value]
  }
}
