// Package snap pays through Indonesia's national open API for payments (Standar
// Nasional Open API Pembayaran, SNAP, of Bank Indonesia and ASPI). Its Client is a
// payment.Provider.
//
//	client, err := snap.New(snap.Config{
//		BaseURL: "https://api.bank.example", ClientKey: "...", PartnerID: "...", ChannelID: "95221",
//		Secret: secret, Key: key, Source: source, Clock: time.Now, HTTP: httpClient,
//	}, &snap.Options{Promises: payment.Capabilities{StatusMemory: 60 * 24 * time.Hour}})
//	outcomes := payment.Dispatch(ctx, client, transfers, submitted, now)
//
// # One order, once
//
// The partnerReferenceNo is the payment's reference, as it is, or in its compact spelling where
// the bank takes only short ones (Options.ReferenceLength); one that does not fit even so is
// refused before anything is sent. It is what the bank knows an order by.
// The X-EXTERNAL-ID need only be unique within a day, so it protects nobody after
// midnight: it begins with the day in WIB, and the rest follows from service,
// reference and attempt. A retry on the next day has another X-EXTERNAL-ID and the
// same partnerReferenceNo:
//
//	23:59:50 WIB  X-EXTERNAL-ID 20260309...  partnerReferenceNo B7I1G1X
//	00:00:10 WIB  X-EXTERNAL-ID 20260310...  partnerReferenceNo B7I1G1X
//
// # What an answer means
//
// A code has seven digits: HTTP status, service, case. It counts only if the first two
// are those of the call. Of a transfer:
//
//	200 00                              paid; taken where Options.Queues is set
//	202 00                              taken
//	400 01, 400 02, 403 09, 403 14,
//	403 18, 404 11, Options.Refusals    refused; unclear where a replay is declared safe
//	409 00, 409 01, 404 18              the bank has met the order: ask at once
//	any other, 5xx, no answer           unclear
//
// Of its status: 00 paid; 01, 02, 03 taken; 05, 06 refused; 07 and 404 01 absent; 04
// (refunded) unclear, because the money has moved twice and the statement
// shows it; any other unclear. Where a replay is declared safe an order may have been
// sent before. A refusal of the second request ("insufficient funds")
// proves nothing about the first, so only the status refuses.
//
// Nothing sent (payment.ErrNotSent) means: the order does not fit, there was no token, or
// dialling failed. An answer that names another reference, amount or service is unclear.
//
// A token is kept for nine tenths of its life. A 401 fetches a new one. A question is
// then repeated once, a transfer only after the case codes 01 and 03: the token
// itself was refused, so the order was not looked at.
//
// # Sources
//
// Headers, signatures, paths, fields, codes: the developer site of ASPI,
// https://apidevportal.aspi-indonesia.or.id/api-services (keamanan,
// transfer-kredit/account-inquiry, trigger-transfer, transaction-status-inquiry-bank).
// What banks and aggregators add or change:
//
//	https://docs.midtrans.com/reference/error-mapping              4xx refuses; ask after 5xx
//	https://docs.midtrans.com/reference/interbank-transfer         a reference is remembered two months
//	https://docs.midtrans.com/reference/transfer-status-inquiry    wait ten minutes before asking
//	https://docs.durianpay.id/reference/response-code-handling     200 means received (Options.Queues)
//	https://developers.bri.co.id/en/snap-bi/apidocs-oauth-snap-bi  other paths (Options.Paths)
//	https://docs.winpay.id/docs/payments/snap-api/signature-generation  RSA without token, Base64
//
// # What is not certain
//
//   - The standard calls no code of a transfer final. The refusals above are those
//     that it lists as a fault of the request or the account and that Midtrans
//     documents as errors. Nor does it call the status 05 and 06 final. Ask the bank,
//     and add what its contract says to Options.Refusals.
//   - The standard does not say how a signature is written: its examples are
//     hexadecimal, those of DOKU, Winpay and Qoinhub Base64, which is the default.
//   - Whether a bank compares transactionDate, which is the instant of the call, when
//     an order comes twice. If it does it answers 404 18, and Submit asks.
//   - Whether a gateway signs the path with or without its own prefix. Here it is the
//     whole path that is called.
//
// # Not here
//
// The standard has a notification for bulk, RTGS and SKN transfers, none for the single
// transfer that this package makes; some banks have their own. So there are no callbacks. Fields that
// single banks require beyond the standard (remark, additionalInfo) are not sent,
// nor are the optional ones. Bulk transfers, RTGS and SKN are not made.
package snap
