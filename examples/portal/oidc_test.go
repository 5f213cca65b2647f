package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// provider is an OpenID provider for tests: one officer, who has signed in already.
type provider struct {
	*httptest.Server
	key       ed25519.PrivateKey
	nonce     string
	challenge string
	roles     []string
	forge     bool
}

func newProvider(t *testing.T) *provider {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	p := &provider{key: key, roles: []string{roleCases, "something-else"}}
	b64 := base64.RawURLEncoding.EncodeToString
	mux := http.NewServeMux()
	reply := func(w http.ResponseWriter, v any) {
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(v)
	}
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, map[string]any{"issuer": p.URL, "authorization_endpoint": p.URL + "/auth", "token_endpoint": p.URL + "/token", "jwks_uri": p.URL + "/keys", "id_token_signing_alg_values_supported": []string{"EdDSA"}})
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, map[string]any{"keys": []map[string]string{{"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": "1", "x": b64(key.Public().(ed25519.PublicKey))}}})
	})
	mux.HandleFunc("/auth", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		p.nonce, p.challenge = q.Get("nonce"), q.Get("code_challenge")
		http.Redirect(w, r, q.Get("redirect_uri")+"?"+url.Values{"code": {"c"}, "state": {q.Get("state")}}.Encode(), http.StatusFound)
	})
	mux.HandleFunc("/token", func(w http.ResponseWriter, r *http.Request) {
		sum := sha256.Sum256([]byte(r.FormValue("code_verifier")))
		if b64(sum[:]) != p.challenge {
			http.Error(w, "pkce", http.StatusBadRequest)
			return
		}
		claims := must(json.Marshal(map[string]any{"iss": p.URL, "sub": "198501012010011001", "aud": "portal", "nonce": p.nonce, "roles": p.roles, "iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix()}))
		text := b64([]byte(`{"alg":"EdDSA","kid":"1"}`)) + "." + b64(claims)
		signature := ed25519.Sign(p.key, []byte(text))
		if p.forge {
			signature[0] ^= 1
		}
		reply(w, map[string]any{"access_token": "a", "token_type": "Bearer", "id_token": text + "." + b64(signature)})
	})
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	return p
}

// Officers sign in at the agency's provider, with the roles that it says they have now.
func TestOpenIDConnect(t *testing.T) {
	s, p := newSite(t), newProvider(t)
	var err error
	s.p.signing, err = newOIDC(t.Context(), p.URL, "portal", "secret", s.url+"/petugas/oidc/kembali")
	require.NoError(t, err)
	b := s.browser()
	b.get("/petugas/masuk").ok("Sign in with the agency")
	b.get("/petugas/oidc").ok("Desk")
	b.get("/petugas/keberatan").ok()
	b.get("/petugas/gelombang").refused(403)

	// Who has no password here has signed in just now, before what is serious.
	who := made(3)
	b.post("/petugas/cari", "nik", who.NIK, "reason", "audit").ok(who.Name)
	s.p.time.moved.Store(int64(freshFor + time.Second))
	b.post("/petugas/cari", "nik", who.NIK, "reason", "audit").refused(422, "Sign in again")
	s.p.time.moved.Store(0)

	p.roles = []string{"something-else"}
	s.browser().get("/petugas/oidc").refused(403)
	p.roles, p.forge = []string{roleCases}, true
	s.browser().get("/petugas/oidc").refused(403)
	p.forge = false
	s.browser().get("/petugas/oidc/kembali?code=c&state=guessed").refused(403)
}
