# A private certificate authority and what it issues. The keys are in the state, which is why the state's bucket is
# encrypted with a key of its own and closed to all but operators: README.md says more.
resource "tls_private_key" "authority" {
  algorithm   = "ECDSA"
  ecdsa_curve = "P384"
}

resource "tls_self_signed_cert" "authority" {
  private_key_pem       = tls_private_key.authority.private_key_pem
  is_ca_certificate     = true
  validity_period_hours = 10 * 8760
  allowed_uses          = ["cert_signing", "crl_signing", "digital_signature"]

  subject {
    common_name  = var.name
    organization = "Meridian"
  }
}

resource "tls_private_key" "leaf" {
  for_each = var.leaves

  algorithm   = "ECDSA"
  ecdsa_curve = "P256"
}

resource "tls_cert_request" "leaf" {
  for_each = var.leaves

  private_key_pem = tls_private_key.leaf[each.key].private_key_pem
  dns_names       = each.value.dns_names
  ip_addresses    = each.value.addresses

  subject {
    common_name  = each.value.common_name
    organization = "Meridian"
  }
}

resource "tls_locally_signed_cert" "leaf" {
  for_each = var.leaves

  cert_request_pem      = tls_cert_request.leaf[each.key].cert_request_pem
  ca_private_key_pem    = tls_private_key.authority.private_key_pem
  ca_cert_pem           = tls_self_signed_cert.authority.cert_pem
  validity_period_hours = 8760
  early_renewal_hours   = 2160 # an apply in the last 90 days issues anew; nodes take that up by themselves
  allowed_uses          = concat(["digital_signature", "key_encipherment", "client_auth"], each.value.server ? ["server_auth"] : [])
}
