// Package otel hands what an engine does to OpenTelemetry: a span for each command, each
// chunk of a job and each call of the store, and how long they took as a histogram.
//
//	observer, err := otel.New(tracerProvider, meterProvider, time.Now)
//	engine, err := program.NewEngine(p, store, keys, around, &program.Options{Observer: observer})
package otel

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
)

// Observer is a program.Observer for OpenTelemetry.
type Observer struct {
	tracer trace.Tracer
	took   metric.Float64Histogram
	now    func() time.Time
}

// name is the instrumentation scope.
const name = "github.com/gelombang/gelombang/program"

// New returns an observer that reports to the providers. Now tells the time: time.Now in
// production.
func New(traces trace.TracerProvider, metrics metric.MeterProvider, now func() time.Time) (*Observer, error) {
	took, err := metrics.Meter(name).Float64Histogram("gelombang.duration",
		metric.WithUnit("s"), metric.WithDescription("How long commands, chunks of jobs and calls of the store took."))
	if err != nil {
		return nil, err
	}
	return &Observer{traces.Tracer(name), took, now}, nil
}

// Begin implements program.Observer.
func (o *Observer) Begin(ctx context.Context, what string, attrs ...slog.Attr) (context.Context, func(error)) {
	began := o.now()
	all := make([]attribute.KeyValue, len(attrs))
	for i, a := range attrs {
		if a.Value.Kind() == slog.KindInt64 {
			all[i] = attribute.Int64("gelombang."+a.Key, a.Value.Int64())
		} else {
			all[i] = attribute.String("gelombang."+a.Key, a.Value.String())
		}
	}
	inner, span := o.tracer.Start(ctx, what, trace.WithTimestamp(began), trace.WithAttributes(all...))
	return inner, func(err error) {
		outcome := outcomeOf(err)
		if outcome == "error" {
			span.SetStatus(codes.Error, what)
			span.RecordError(err)
		}
		kind, _, _ := strings.Cut(what, ".")
		o.took.Record(inner, o.now().Sub(began).Seconds(), metric.WithAttributes(
			attribute.String("gelombang.kind", kind), attribute.String("gelombang.what", what), attribute.String("gelombang.outcome", outcome)))
		span.End(trace.WithTimestamp(o.now()))
	}
}

// outcomeOf tells errors from what a caller, or the engine itself, has given up.
func outcomeOf(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, context.Canceled):
		return "cancelled"
	}
	return "error"
}
