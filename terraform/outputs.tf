output "regions" {
  description = "The regions, as the catalog names them."
  value       = keys(local.regions)

  precondition {
    condition = length(distinct([for r in values(local.regions) : r.index])) == length(local.regions) && alltrue([
      for r in values(local.regions) : r.index >= 0 && r.index < 16
    ])
    error_message = "The region catalog's loopback subnets must be numbered 0 to 15, each once: they number the networks too."
  }

  precondition {
    condition     = alltrue([for r in values(local.regions) : length(r.zones) == 3])
    error_message = "Each region of the catalog must name three zones of AWS: the database spreads over them, and Consul's servers are a quorum."
  }

  precondition {
    condition = length(local.refused_zones) == 0
    error_message = join(" ", [
      "EKS makes no cluster in ${join(", ", local.refused_zones)}, as this account's letters stand for zones. Choose others in the variable zones;",
      "aws ec2 describe-availability-zones --region REGION lists them with their ids.",
    ])
  }
}

output "endpoints" {
  description = "Where callers reach the API: its name, the anycast addresses, each region's own load balancer (from inside of AWS alone behind anycast addresses), and the CDN."
  value = {
    api       = "https://${module.global.host}"
    addresses = module.global.addresses
    regions   = { for name in keys(local.regions) : name => module.region[name].edge.dns_name }
    cdn       = var.cdn ? "https://${module.cdn[0].host}" : null
  }
}

output "dashboards" {
  description = "CloudWatch dashboard of each region."
  value       = { for name in keys(local.regions) : name => module.observability[name].dashboard }
}

output "database" {
  description = "host:port of SQL in each region, from inside of it."
  value       = module.database.sql
}

output "database_nodes" {
  description = "EC2 instances of CockroachDB by region and zone."
  value       = module.database.instances
}

output "consul_servers" {
  description = "EC2 instances of Consul by region and zone."
  value       = module.consul.instances
}

output "backup_buckets" {
  description = "Where the database's backups are."
  value       = module.database.buckets
}

output "prometheus" {
  description = "Endpoint of each region's managed Prometheus, which has what all regions tell; null where there is none."
  value       = { for name in keys(local.regions) : name => module.observability[name].prometheus }
}

output "certificate_arn" {
  description = "Certificate of the API, to be exported to the edges."
  value       = module.global.certificate_arn
}

# Where each region's tunnel begins, and the name that its Kubernetes API has a certificate for.
locals {
  tunnels = { for name, r in local.regions : name => {
    port = 6443 + r.index
    host = trimprefix(module.region[name].cluster.endpoint, "https://")
  } }
}

output "kubeconfig" {
  description = "For each region, the command that adds its cluster to kubectl's configuration, by way of the tunnel where admin_cidrs is empty."
  value = { for name, t in local.tunnels : name => join(" && ", concat(
    ["aws eks update-kubeconfig --region ${name} --name ${module.region[name].cluster.name} --alias ${name}"],
    length(var.admin_cidrs) > 0 ? [] : ["kubectl config set-cluster ${module.region[name].cluster.arn} --server=https://localhost:${t.port} --tls-server-name=${t.host}"],
  )) }
}

output "tunnels" {
  description = "For each region, the command that leads a local port of its own to the Kubernetes API through a Consul server, for when admin_cidrs is empty."
  value = { for name, r in local.regions : name => join(" ", [
    "aws ssm start-session --region ${name} --target ${module.consul.instances[name][r.zones[0]]}",
    "--document-name AWS-StartPortForwardingSessionToRemoteHost",
    "--parameters host=${local.tunnels[name].host},portNumber=443,localPortNumber=${local.tunnels[name].port}",
  ]) }
}

output "overlays" {
  description = "For each region, for its cluster as such, and for the jobs beside them, the kustomization that fits deploy/k8s to what is here."
  value = merge(local.overlays, local.clusters, { for job in ["migrate", "audit"] : job => {
    "kustomization.yaml" = templatefile("${path.module}/templates/job.yaml.tftpl", { job = job, image = local.image })
  } })
}

output "open_to_the_internet" {
  description = "For each region, the ports that anyone may reach."
  value = { for name in keys(local.regions) : name => distinct([
    for r in module.region[name].ingress : "${r.protocol}/${r.first}-${r.last}" if contains(["0.0.0.0/0", "::/0"], coalesce(r.network, "a group"))
  ]) }
}
