package main

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// OfficerSignIn is another service at which officers sign in. The portal has one for OpenID
// Connect; where there is none, officers have passwords here.
type OfficerSignIn interface {
	// Begin is where the browser is sent.
	Begin(state, nonce, verifier string) string
	// Finish takes the code that came back, and returns which officer it is.
	Finish(ctx context.Context, code, nonce, verifier string) (Officer, error)
}

// Officer is who has signed in elsewhere.
type Officer struct {
	// Subject is the provider's own name for the person. It is an actor's name in the journal.
	Subject string
	// Roles are those of this portal that the provider says the person has.
	Roles []string
}

type openID struct {
	config   oauth2.Config
	verifier *oidc.IDTokenVerifier
}

// newOIDC asks an OpenID provider for what it can do. The authorisation code flow with PKCE is used.
func newOIDC(ctx context.Context, issuer, client, secret, redirect string) (*openID, error) {
	provider, err := oidc.NewProvider(ctx, issuer)
	if err != nil {
		return nil, fmt.Errorf("the OpenID provider: %w", err)
	}
	return &openID{
		config:   oauth2.Config{ClientID: client, ClientSecret: secret, RedirectURL: redirect, Endpoint: provider.Endpoint(), Scopes: []string{oidc.ScopeOpenID, "roles"}},
		verifier: provider.Verifier(&oidc.Config{ClientID: client}),
	}, nil
}

func (o *openID) Begin(state, nonce, verifier string) string {
	return o.config.AuthCodeURL(state, oidc.Nonce(nonce), oauth2.S256ChallengeOption(verifier))
}

func (o *openID) Finish(ctx context.Context, code, nonce, verifier string) (Officer, error) {
	token, err := o.config.Exchange(ctx, code, oauth2.VerifierOption(verifier))
	if err != nil {
		return Officer{}, errors.New("the provider does not take the code")
	}
	raw, _ := token.Extra("id_token").(string)
	id, err := o.verifier.Verify(ctx, raw)
	if err != nil {
		return Officer{}, errors.New("the identity token does not hold")
	}
	if subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(nonce)) != 1 {
		return Officer{}, errors.New("the identity token is of another sign-in")
	}
	var claims struct {
		Roles []string `json:"roles"`
	}
	if err := id.Claims(&claims); err != nil {
		return Officer{}, err
	}
	return Officer{Subject: id.Subject, Roles: claims.Roles}, nil
}

// pendingSignIn is what the browser keeps while it is at the provider.
type pendingSignIn struct{ State, Nonce, Verifier string }

const pendingCookie = "portal_oidc"

func (p *portal) beginOIDC(c *call) error {
	if p.signing == nil {
		return errNoPage
	}
	pending := pendingSignIn{newToken(), newToken(), oauth2.GenerateVerifier()}
	data, err := json.Marshal(pending)
	if err != nil {
		return err
	}
	// The provider sends the browser back from another site, so the cookie cannot be strict.
	http.SetCookie(c.w, &http.Cookie{Name: pendingCookie, Value: cursorOf(string(data)), Path: "/petugas/oidc", MaxAge: 600, HttpOnly: true, Secure: p.config.https, SameSite: http.SameSiteLaxMode})
	return c.redirect(p.signing.Begin(pending.State, pending.Nonce, pending.Verifier))
}

func (p *portal) finishOIDC(c *call) error {
	if p.signing == nil {
		return errNoPage
	}
	cookie, err := c.r.Cookie(pendingCookie)
	if err != nil {
		return errForbidden
	}
	data, err := base64.RawURLEncoding.DecodeString(cookie.Value)
	var pending pendingSignIn
	if err != nil || json.Unmarshal(data, &pending) != nil {
		return errForbidden
	}
	http.SetCookie(c.w, &http.Cookie{Name: pendingCookie, Path: "/petugas/oidc", MaxAge: -1, HttpOnly: true})
	if pending.State == "" || subtle.ConstantTimeCompare([]byte(c.r.URL.Query().Get("state")), []byte(pending.State)) != 1 {
		return errForbidden
	}
	who, err := p.signing.Finish(c.ctx(), c.r.URL.Query().Get("code"), pending.Nonce, pending.Verifier)
	if err != nil {
		p.logger.Warn("an officer could not sign in", "error", err.Error())
		return errForbidden
	}
	me, err := p.accounts.federated(c.ctx(), who)
	if err != nil {
		return err
	}
	return c.enter(me, "/petugas")
}
