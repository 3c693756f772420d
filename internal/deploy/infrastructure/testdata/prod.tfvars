environment            = "test"
domain                 = "shop.example.com"
zone_id                = "Z0123456789ABCDEFGHIJ"
image                  = "registry.example.com/meridian@sha256:0000000000000000000000000000000000000000000000000000000000000000"
admin_role_arns        = ["arn:aws:iam::111122223333:role/operators"]
cockroach_license      = "crl-0-EXAMPLEEXAMPLEEXAMPLE"
cockroach_organization = "Example"
cockroach_release      = { version = "v26.2.0", sha256 = "0000000000000000000000000000000000000000000000000000000000000000" }
consul_release         = { version = "1.22.7", sha256 = "0000000000000000000000000000000000000000000000000000000000000000" }
size                   = "prod"
kafka                  = "msk"
cdn                    = true
entry                  = "latency-records"
managed_prometheus     = true
alarm_email            = "operators@example.com"
admin_cidrs            = ["192.0.2.0/24"]
