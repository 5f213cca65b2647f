package trainingtest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program/calendar"
	"github.com/gelombang/gelombang/program/training"
	"github.com/gelombang/gelombang/program/training/trainingtest"
)

// School is a platform that is reached over HTTP.
type School struct {
	Base   string
	Client *http.Client
}

var _ training.Platform = (*School)(nil)

// call sends a request and reads the answer as JSON. A status that the school's documents do
// not name is an error of which nobody knows what became.
func (s *School) call(ctx context.Context, method, path string, body, answer any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, method, s.Base+path, bytes.NewReader(data))
	if err != nil {
		return err
	}
	response, err := s.Client.Do(request)
	if err != nil {
		return errors.New("school: the call failed") // without the address
	}
	defer response.Body.Close()
	switch response.StatusCode {
	case http.StatusOK:
		return json.NewDecoder(http.MaxBytesReader(nil, response.Body, 64<<20)).Decode(answer)
	case http.StatusNotFound:
		return training.ErrUnknown
	case http.StatusConflict:
		return training.ErrRefused
	}
	return fmt.Errorf("school: status %d", response.StatusCode)
}

func (s *School) Catalogue(ctx context.Context, each func(training.Course) error) error {
	var courses []training.Course
	if err := s.call(ctx, http.MethodGet, "/courses", nil, &courses); err != nil {
		return err
	}
	for _, c := range courses {
		if err := each(c); err != nil {
			return err
		}
	}
	return nil
}

func (s *School) Redeem(ctx context.Context, r training.Redemption) error {
	return s.call(ctx, http.MethodPut, "/vouchers/"+url.PathEscape(r.Voucher), r, &struct{}{})
}

func (s *School) Progress(ctx context.Context, voucher string) (p training.Progress, err error) {
	err = s.call(ctx, http.MethodGet, "/vouchers/"+url.PathEscape(voucher), nil, &p)
	return p, err
}

func (s *School) List(ctx context.Context, from, before time.Time, each func(training.Progress) error) error {
	var all []training.Progress
	path := "/vouchers?from=" + url.QueryEscape(from.Format(time.RFC3339Nano)) + "&before=" + url.QueryEscape(before.Format(time.RFC3339Nano))
	if err := s.call(ctx, http.MethodGet, path, nil, &all); err != nil {
		return err
	}
	for _, p := range all {
		if err := each(p); err != nil {
			return err
		}
	}
	return nil
}

// The far side of a test: a server on a platform in memory, which has the faults.
func newFakeSchool(t *testing.T, f *trainingtest.Faulty) *School {
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, value any, err error) {
		switch {
		case errors.Is(err, training.ErrUnknown):
			w.WriteHeader(http.StatusNotFound)
		case errors.Is(err, training.ErrRefused):
			w.WriteHeader(http.StatusConflict)
		case err != nil:
			w.WriteHeader(http.StatusBadGateway)
		default:
			_ = json.NewEncoder(w).Encode(value)
		}
	}
	mux.HandleFunc("GET /courses", func(w http.ResponseWriter, r *http.Request) {
		courses := []training.Course{}
		err := f.Catalogue(r.Context(), func(c training.Course) error { courses = append(courses, c); return nil })
		answer(w, courses, err)
	})
	mux.HandleFunc("PUT /vouchers/{voucher}", func(w http.ResponseWriter, r *http.Request) {
		var redemption training.Redemption
		if err := json.NewDecoder(r.Body).Decode(&redemption); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		answer(w, struct{}{}, f.Redeem(r.Context(), redemption))
	})
	mux.HandleFunc("GET /vouchers/{voucher}", func(w http.ResponseWriter, r *http.Request) {
		p, err := f.Progress(r.Context(), r.PathValue("voucher"))
		answer(w, p, err)
	})
	mux.HandleFunc("GET /vouchers", func(w http.ResponseWriter, r *http.Request) {
		from, err := time.Parse(time.RFC3339Nano, r.FormValue("from"))
		before, err2 := time.Parse(time.RFC3339Nano, r.FormValue("before"))
		all := []training.Progress{}
		if err = errors.Join(err, err2); err == nil {
			err = f.List(r.Context(), from, before, func(p training.Progress) error { all = append(all, p); return nil })
		}
		answer(w, all, err)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return &School{server.URL, server.Client()}
}

func TestSchool(t *testing.T) {
	trainingtest.TestPlatform(t, func(t *testing.T) trainingtest.Bench {
		start := time.Date(2026, time.March, 2, 2, 0, 0, 0, time.UTC)
		far := trainingtest.NewFaulty("school", start, 1, &trainingtest.FaultyOptions{Courses: []training.Course{{
			ID: "barista", Institution: "lpk", Title: "Barista", Mode: training.Online, Hours: 20, Sessions: 2, Price: payment.Rupiah(500_000),
			Capacity: 10, Review: 800, From: calendar.Of(2026, 1, 1), Until: calendar.Of(2026, 12, 31)}}})
		return trainingtest.Bench{Platform: newFakeSchool(t, far), Far: far, Partner: far.Partner(), Start: start}
	})
}
