package payment

import (
	"github.com/gelombang/gelombang/program/lifecycle"
	"github.com/gelombang/gelombang/program/wording"
)

// Failure says why a person could not be paid, and so who must act. Its text
// for the citizen has the key Wording.
type Failure string

// The failures of a payout.
const (
	TrainingIncomplete  Failure = "training-incomplete"
	SessionIncomplete   Failure = "session-incomplete"
	FaceCheckIncomplete Failure = "face-check-incomplete"
	NotRated            Failure = "not-rated"
	NotReviewed         Failure = "not-reviewed"
	AccountUnusable     Failure = "account-unusable" // inactive, closed or blocked
	AccountUnknown      Failure = "account-unknown"
	WalletNotUpgraded   Failure = "wallet-not-upgraded"
	NationalMismatch    Failure = "national-number-mismatch"
	NameMismatch        Failure = "name-mismatch"
	PhoneMismatch       Failure = "phone-mismatch"
	WalletFull          Failure = "wallet-full"
	HolderDeceased      Failure = "holder-deceased"
	BankUnknown         Failure = "bank-unknown"
	AmountRefused       Failure = "amount-refused"
	NotAllowed          Failure = "not-allowed"
	NoFunds             Failure = "no-funds"
	SentTwice           Failure = "sent-twice"
	Unexplained         Failure = "unexplained"
)

// Actor returns who must act before the payment can be tried again. A failure
// that is not listed is an officer's.
func (f Failure) Actor() lifecycle.Party {
	switch f {
	case TrainingIncomplete, SessionIncomplete, FaceCheckIncomplete, NotRated, NotReviewed, AccountUnusable,
		AccountUnknown, WalletNotUpgraded, NationalMismatch, NameMismatch, PhoneMismatch, WalletFull:
		return lifecycle.Applicant
	}
	return lifecycle.Officer
}

// Wording is the key of the citizen's text.
func (f Failure) Wording() string { return "failure." + string(f) }

// FailureOf maps a reason for which a bank rejected or returned a payment: a code of
// ISO 20022's external code sets ExternalStatusReason1Code and
// ExternalReturnReason1Code (iso20022.org, "External code sets"; here by their names of
// 2024). Where one code means two things in the two sets, both are the same failure
// here. A code that is not listed, and one that speaks of the payer or of the message, is
// Unexplained.
//
// The sets know neither a wallet at its limit nor a phone number that is not the
// holder's: those are a provider's own codes, which its adapter maps.
func FailureOf(code string) Failure {
	switch code {
	case "AC01", "AC03", "BE06", "BE23": // IncorrectAccountNumber, InvalidCreditorAccountNumber, UnknownEndCustomer, AccountProxyInvalid
		return AccountUnknown
	case "AC04", "AC06", "AC07", "AC16", "AC17": // ClosedAccountNumber, BlockedAccount, ClosedCreditorAccountNumber; AccountInSequestration (of a status: CardNumberInvalid), AccountInLiquidation
		return AccountUnusable
	case "NOCM": // NotCompliantGeneric: the holder was not identified as the regulator asks
		return WalletNotUpgraded
	case "BE17": // InvalidCreditorIdentificationCode
		return NationalMismatch
	case "BE01", "BE22": // InconsistentWithEndCustomer, MissingCreditorName
		return NameMismatch
	case "MD07": // EndCustomerDeceased
		return HolderDeceased
	case "RC01", "RC04", "RC07", "CNOR": // BankIdentifierIncorrect, InvalidCreditorBankIdentifier, InvalidCreditorBICIdentifier, CreditorBankIsNotRegistered
		return BankUnknown
	case "AM01", "AM02", "AM06", "AM09", "AM12", "AM13", "AM14", "AM15", "AM21", "AM23": // zero, above or below a limit, not as agreed, invalid
		return AmountRefused
	case "AG01", "AG03", "AM07", "RR03", "RR04": // TransactionForbidden, TransactionNotSupported, BlockedAmount, MissingCreditorNameOrAddress, RegulatoryReason
		return NotAllowed
	case "AM04": // InsufficientFunds
		return NoFunds
	case "AM05", "DUPL", "DU03", "DU04", "DU05", "RF01": // Duplication, DuplicatePayment, DuplicateTransaction, DuplicateEndToEndID, DuplicateInstructionID, NotUniqueTransactionReference
		return SentTwice
	}
	return Unexplained
}

// Texts are the citizens' texts of the states, the events and the failures of a payment, in
// Indonesian and English.
func Texts() wording.Texts {
	return wording.Texts{"id": {
		"payment.event.approve":            "Pembayaran disetujui.",
		"payment.event.submit":             "Pembayaran dikirim.",
		"payment.event.accept":             "Bank atau dompet digital menerima perintah pembayaran.",
		"payment.event.settle":             "Bank atau dompet digital menyatakan pembayaran selesai.",
		"payment.event.reject":             "Bank atau dompet digital menolak pembayaran.",
		"payment.event.return":             "Uang dikembalikan kepada program.",
		"payment.event.doubt":              "Hasil pembayaran belum dapat dipastikan.",
		"payment.event.cancel":             "Pembayaran dibatalkan sebelum dikirim.",
		"payment.created":                  "Pembayaran Anda sedang disiapkan.",
		"payment.approved":                 "Pembayaran Anda telah disetujui dan segera dikirim.",
		"payment.submitted":                "Pembayaran Anda telah dikirim ke bank atau dompet digital.",
		"payment.accepted":                 "Pembayaran Anda sedang diproses oleh bank atau dompet digital.",
		"payment.unknown":                  "Kami sedang memastikan hasil pembayaran Anda. Anda tidak perlu melakukan apa pun.",
		"payment.settled":                  "Pembayaran telah dikirim ke rekening Anda.",
		"payment.rejected":                 "Pembayaran Anda ditolak oleh bank atau dompet digital.",
		"payment.returned":                 "Pembayaran Anda dikembalikan oleh bank atau dompet digital.",
		"payment.cancelled":                "Pembayaran ini dibatalkan sebelum dikirim.",
		"failure.training-incomplete":      "Pelatihan Anda belum selesai. Selesaikan pelatihan terlebih dahulu.",
		"failure.session-incomplete":       "Anda belum mengikuti semua sesi pelatihan.",
		"failure.face-check-incomplete":    "Pemeriksaan wajah Anda belum lengkap.",
		"failure.not-rated":                "Anda belum memberi penilaian untuk pelatihan Anda.",
		"failure.not-reviewed":             "Anda belum menulis ulasan untuk pelatihan Anda.",
		"failure.account-unusable":         "Rekening atau dompet digital Anda tidak aktif, ditutup, atau diblokir. Aktifkan kembali atau daftarkan yang lain.",
		"failure.account-unknown":          "Nomor rekening atau dompet digital tidak ditemukan. Periksa nomornya.",
		"failure.wallet-not-upgraded":      "Dompet digital Anda belum di-upgrade. Lengkapi verifikasi KTP dan swafoto.",
		"failure.national-number-mismatch": "NIK pada rekening atau dompet digital berbeda dengan NIK Anda di program ini.",
		"failure.name-mismatch":            "Nama pemilik rekening atau dompet digital berbeda dengan nama Anda di program ini.",
		"failure.phone-mismatch":           "Nomor telepon dompet digital berbeda dengan nomor yang Anda daftarkan.",
		"failure.wallet-full":              "Saldo dompet digital Anda telah mencapai batas. Kurangi saldo terlebih dahulu.",
		"failure.holder-deceased":          "Bank melaporkan pemilik rekening telah meninggal. Petugas akan menindaklanjuti.",
		"failure.bank-unknown":             "Bank tujuan tidak dikenali. Petugas sedang memeriksanya.",
		"failure.amount-refused":           "Bank tidak dapat menerima jumlah ini. Petugas sedang memeriksanya.",
		"failure.not-allowed":              "Bank tidak mengizinkan pembayaran ini. Petugas sedang memeriksanya.",
		"failure.no-funds":                 "Pembayaran tertunda di pihak kami. Anda tidak perlu melakukan apa pun.",
		"failure.sent-twice":               "Bank menganggap pembayaran ini ganda. Petugas sedang memeriksanya.",
		"failure.unexplained":              "Pembayaran gagal dan bank tidak menjelaskan sebabnya. Petugas sedang memeriksanya.",
	}, "en": {
		"payment.event.approve":            "The payment was approved.",
		"payment.event.submit":             "The payment was sent.",
		"payment.event.accept":             "The bank or wallet took the order.",
		"payment.event.settle":             "The bank or wallet reports the payment as made.",
		"payment.event.reject":             "The bank or wallet rejected the payment.",
		"payment.event.return":             "The money came back to the program.",
		"payment.event.doubt":              "The outcome of the payment is not certain yet.",
		"payment.event.cancel":             "The payment was cancelled before it was sent.",
		"payment.created":                  "Your payment is being prepared.",
		"payment.approved":                 "Your payment is approved and will be sent soon.",
		"payment.submitted":                "Your payment was sent to the bank or e-wallet.",
		"payment.accepted":                 "The bank or e-wallet is processing your payment.",
		"payment.unknown":                  "We are making sure what became of your payment. You need not do anything.",
		"payment.settled":                  "The payment was sent to your account.",
		"payment.rejected":                 "The bank or e-wallet refused your payment.",
		"payment.returned":                 "The bank or e-wallet returned your payment.",
		"payment.cancelled":                "This payment was cancelled before it was sent.",
		"failure.training-incomplete":      "Your training is not finished. Please finish it first.",
		"failure.session-incomplete":       "You have not attended every session of the training.",
		"failure.face-check-incomplete":    "Your face check is not complete.",
		"failure.not-rated":                "You have not rated your training yet.",
		"failure.not-reviewed":             "You have not written a review of your training yet.",
		"failure.account-unusable":         "Your account or e-wallet is inactive, closed or blocked. Reactivate it or register another one.",
		"failure.account-unknown":          "The account or e-wallet number was not found. Please check the number.",
		"failure.wallet-not-upgraded":      "Your e-wallet is not upgraded. Please complete the check of your identity card and selfie.",
		"failure.national-number-mismatch": "The national number of the account or e-wallet is not yours in this program.",
		"failure.name-mismatch":            "The holder's name of the account or e-wallet is not your name in this program.",
		"failure.phone-mismatch":           "The phone number of the e-wallet is not the one that you registered.",
		"failure.wallet-full":              "Your e-wallet has reached its limit. Please lower its balance first.",
		"failure.holder-deceased":          "The bank reports that the account holder has died. An officer will follow up.",
		"failure.bank-unknown":             "The bank was not recognised. An officer is looking into it.",
		"failure.amount-refused":           "The bank cannot take this amount. An officer is looking into it.",
		"failure.not-allowed":              "The bank does not allow this payment. An officer is looking into it.",
		"failure.no-funds":                 "The payment is delayed on our side. You need not do anything.",
		"failure.sent-twice":               "The bank takes this payment for a duplicate. An officer is looking into it.",
		"failure.unexplained":              "The payment failed and the bank did not say why. An officer is looking into it.",
	}}
}
