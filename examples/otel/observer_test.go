package otel_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/gelombang/gelombang/examples/otel"
	"github.com/gelombang/gelombang/program"
)

var _ program.Observer = (*otel.Observer)(nil)

// What an engine does becomes spans within spans, and seconds in a histogram by outcome.
func TestSpansAndSeconds(t *testing.T) {
	spans, reader := tracetest.NewSpanRecorder(), metric.NewManualReader()
	now := time.Date(2026, time.March, 2, 3, 0, 0, 0, time.UTC)
	o, err := otel.New(trace.NewTracerProvider(trace.WithSpanProcessor(spans)), metric.NewMeterProvider(metric.WithReader(reader)), func() time.Time { return now })
	require.NoError(t, err)
	ctx, end := o.Begin(t.Context(), "command.join")
	_, endStore := o.Begin(ctx, "store.apply", slog.Int("changes", 3))
	now = now.Add(2 * time.Second)
	endStore(errors.New("disk full"))
	end(nil)
	_, endRead := o.Begin(t.Context(), "store.page")
	endRead(context.Canceled)

	ended := spans.Ended()
	require.Len(t, ended, 3)
	apply, join := ended[0], ended[1]
	require.Equal(t, "store.apply", apply.Name())
	require.Equal(t, join.SpanContext().SpanID(), apply.Parent().SpanID())
	require.Equal(t, codes.Error, apply.Status().Code)
	require.Equal(t, codes.Unset, join.Status().Code)
	require.Contains(t, apply.Attributes(), attribute.Int64("gelombang.changes", 3))

	var data metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(t.Context(), &data))
	points := data.ScopeMetrics[0].Metrics[0].Data.(metricdata.Histogram[float64]).DataPoints
	outcomes := map[string]float64{}
	for _, p := range points {
		what, _ := p.Attributes.Value("gelombang.what")
		outcome, _ := p.Attributes.Value("gelombang.outcome")
		outcomes[what.AsString()+" "+outcome.AsString()] = p.Sum
	}
	require.Equal(t, map[string]float64{"command.join ok": 2, "store.apply error": 2, "store.page cancelled": 0}, outcomes)
}
