variable "environment" {
  description = "Name of the environment; stands in resource names and tags. One AWS account for each: the names of secrets and of the private zone do not hold it."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{1,9}$", var.environment))
    error_message = "environment must be 2 to 10 lower-case letters and digits, a letter first."
  }
}

variable "account_id" {
  description = "AWS account that this may change; null: whichever the credentials are of."
  type        = string
  default     = null

  validation {
    condition     = var.account_id == null || can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be 12 digits."
  }
}

variable "size" {
  description = "How large: dev or prod. sizes.tf says what that means."
  type        = string
  default     = "dev"

  validation {
    condition     = contains(keys(local.sizes), var.size)
    error_message = "size must be one of ${join(", ", keys(local.sizes))}."
  }
}

variable "domain" {
  description = "Domain of the shop; the API answers at api.DOMAIN."
  type        = string

  validation {
    condition     = can(regex("^([a-z0-9]([a-z0-9-]*[a-z0-9])?\\.)+[a-z]{2,}$", var.domain))
    error_message = "domain must be a domain name in lower case, such as shop.example.com."
  }
}

variable "zone_id" {
  description = "Public Route 53 zone that holds the domain."
  type        = string

  validation {
    condition     = can(regex("^Z[A-Z0-9]{5,31}$", var.zone_id))
    error_message = "zone_id must be the id of a Route 53 zone, such as Z0123456789ABCDEFGHIJ."
  }
}

variable "network_cidr" {
  description = "The private network of all regions, a /12 inside 10.0.0.0/8 (the network policies of deploy/k8s allow that). Region n of the catalog gets the n-th /16."
  type        = string
  default     = "10.64.0.0/12"

  validation {
    condition     = can(regex("^10\\.(0|16|32|48|64|80|96|112|128|144|160|176|192|208|224|240)\\.0\\.0/12$", var.network_cidr))
    error_message = "network_cidr must be a /12 inside 10.0.0.0/8, such as 10.64.0.0/12."
  }
}

variable "zones" {
  description = "For a region, three zones in place of the catalog's. AWS deals out letters to each account by itself, and EKS takes some zones in none: the plan says which letter stands for one of those."
  type        = map(list(string))
  default     = {}

  validation {
    condition     = alltrue([for name, zones in var.zones : length(distinct(zones)) == 3 && alltrue([for z in zones : can(regex("^${name}[a-z]$", z))])])
    error_message = "zones must give three zones for each region that it names, such as { us-east-1 = [\"us-east-1a\", \"us-east-1b\", \"us-east-1d\"] }."
  }

  validation {
    condition     = alltrue([for name in keys(var.zones) : contains([for r in local.catalog.regions : r.name], name)])
    error_message = "zones must name regions of the catalog."
  }
}

variable "image" {
  description = "Meridian's image with its tag or, better, its digest, for arm64: in the overlays of every region and of the job that migrates."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9._/:-]*[a-z0-9](:[A-Za-z0-9_][A-Za-z0-9._-]{0,127}|@sha256:[0-9a-f]{64})$", var.image))
    error_message = "image must end with a tag or a digest, such as 111122223333.dkr.ecr.us-east-1.amazonaws.com/meridian:v1.4.0."
  }
}

variable "admin_role_arns" {
  description = "IAM roles that administer the Kubernetes clusters. Nobody else does, not even the role that created them."
  type        = set(string)

  validation {
    condition     = length(var.admin_role_arns) > 0
    error_message = "admin_role_arns must name a role at least, or nobody could deploy to the clusters."
  }

  validation {
    condition     = alltrue([for a in var.admin_role_arns : can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:role/.+$", a))])
    error_message = "admin_role_arns must be ARNs of IAM roles, such as arn:aws:iam::111122223333:role/operators."
  }
}

variable "admin_cidrs" {
  description = "Networks from which the Kubernetes API may be reached over the Internet. Empty: from the VPC alone, through a tunnel of Session Manager."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for c in var.admin_cidrs : can(cidrhost(c, 0)) && can(regex("/(1[6-9]|2[0-9]|3[0-2])$", c))])
    error_message = "admin_cidrs must be networks of /16 or smaller: the Kubernetes API is not for the whole Internet."
  }
}

variable "kubernetes_version" {
  description = "Kubernetes version of the clusters, one that EKS supports. Raise it by one minor version at a time."
  type        = string
  default     = "1.35"

  validation {
    condition     = can(regex("^1\\.[0-9]{2}$", var.kubernetes_version))
    error_message = "kubernetes_version must be a minor version, such as 1.35."
  }
}

variable "kubernetes_versions" {
  description = "By region, a version that is one ahead of kubernetes_version: an upgrade goes region by region (README.md)."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for r in keys(var.kubernetes_versions) : contains(keys(local.regions), r)])
    error_message = "kubernetes_versions names a region that the catalog does not: ${join(", ", keys(local.regions))}."
  }

  validation {
    condition = alltrue([for v in values(var.kubernetes_versions) : can(regex("^1\\.[0-9]{2}$", v)) && contains([0, 1], try(
      tonumber(split(".", v)[1]) - tonumber(split(".", var.kubernetes_version)[1]), -1
    ))])
    error_message = "kubernetes_versions must be kubernetes_version, or the minor version after it: a cluster moves by one at a time."
  }
}

variable "cockroach_license" {
  description = "License key of CockroachDB. Required: seven days after its start, a cluster without one refuses all but five transactions at once. At its end a paid Enterprise key changes nothing, a Free one throttles after 30 days, a Trial one after 7."
  type        = string
  sensitive   = true

  validation {
    condition     = can(regex("^crl-[A-Za-z0-9_=+/-]{16,}$", var.cockroach_license))
    error_message = "cockroach_license must be a license key, which begins with crl-. Without one, CockroachDB refuses all but five concurrent transactions after seven days (error XXC02). Keys, also free ones, come from the Cockroach Cloud console."
  }
}

variable "cockroach_organization" {
  description = "Organization that the license key was issued to."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9][A-Za-z0-9 .,&_-]{0,99}$", var.cockroach_organization))
    error_message = "cockroach_organization must be the name on the license: letters, digits, spaces and .,&_- only."
  }
}

variable "cockroach_release" {
  description = "CockroachDB release: version (v26.2.0) and SHA-256 of its archive for Linux on arm64. A node installs nothing else."
  type        = object({ version = string, sha256 = string })

  validation {
    condition     = can(regex("^v[0-9]+\\.[0-9]+\\.[0-9]+$", var.cockroach_release.version)) && can(regex("^[0-9a-f]{64}$", var.cockroach_release.sha256))
    error_message = "cockroach_release must have a version such as v26.2.0, and a SHA-256 in hexadecimal."
  }

  validation {
    condition     = !can(regex("^v([0-9]|1[0-9]|2[0-5]|26\\.[01])\\.", var.cockroach_release.version))
    error_message = "cockroach_release must be v26.2.0 or newer. In older ones a change of the database's regions breaks statements that running stacks have prepared (comparison of two different versions of enum), as adding a region does."
  }
}

variable "consul_image" {
  description = "Image of Consul for the agents of the clusters, without a tag: that is the servers' release."
  type        = string
  default     = "hashicorp/consul"

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9._/:-]*/[a-z0-9._-]+$", var.consul_image))
    error_message = "consul_image must be a repository without a tag, such as hashicorp/consul."
  }
}

variable "consul_release" {
  description = "Consul release: version (1.22.7) and SHA-256 of its archive for Linux on arm64. Not older than the agents of deploy/k8s."
  type        = object({ version = string, sha256 = string })

  validation {
    condition     = can(regex("^[0-9]+\\.[0-9]+\\.[0-9]+$", var.consul_release.version)) && can(regex("^[0-9a-f]{64}$", var.consul_release.sha256))
    error_message = "consul_release must have a version such as 1.22.7, and a SHA-256 in hexadecimal."
  }
}

variable "entry" {
  description = "How callers reach the nearest healthy region: global-accelerator (anycast addresses, no DNS caches in the way) or latency-records (Route 53, cheaper, slower to leave a lost region)."
  type        = string
  default     = "global-accelerator"

  validation {
    condition     = contains(["global-accelerator", "latency-records"], var.entry)
    error_message = "entry must be global-accelerator or latency-records."
  }
}

variable "cdn" {
  description = "Whether CloudFront serves the catalog's reads, at cdn.DOMAIN."
  type        = bool
  default     = false
}

variable "kafka" {
  description = "Where the event bus runs: msk (managed, a cluster in each region) or kubernetes (an operator in the region's cluster, which this does not install)."
  type        = string
  default     = "kubernetes"

  validation {
    condition     = contains(["msk", "kubernetes"], var.kafka)
    error_message = "kafka must be msk or kubernetes."
  }
}

variable "managed_prometheus" {
  description = "Whether each region gets a workspace of Amazon Managed Service for Prometheus, with a global view. Without one, nothing evaluates deploy/prometheus/rules/global: no page says that backups end, or that a lease is held nowhere."
  type        = bool
  default     = true
}

variable "alarm_email" {
  description = "Address that alarms are mailed to; null: they reach the topics alone."
  type        = string
  default     = null

  validation {
    condition     = var.alarm_email == null || can(regex("^[^@ ]+@[^@ ]+\\.[^@ ]+$", var.alarm_email))
    error_message = "alarm_email must be a mail address."
  }
}

variable "tags" {
  description = "More tags for every resource, such as a cost center."
  type        = map(string)
  default     = {}
}
