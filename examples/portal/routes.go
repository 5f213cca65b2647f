package main

import "net/http"

// routes is the table of routes. What is not in it is not served, and the test of who may do what
// goes through it row by row.
func (p *portal) routes() []route {
	get, post := http.MethodGet, http.MethodPost
	return []route{
		{method: get, path: "/healthz", who: anyone, do: p.health, free: true},
		{method: get, path: "/static/{name}", who: anyone, do: p.static, free: true},
		{method: post, path: "/bahasa", who: anyone, do: p.choose},

		// The public's window.
		{method: get, path: "/{$}", who: anyone, do: p.front},
		{method: get, path: "/gelombang/{wave}", who: anyone, do: p.wavePage},
		{method: get, path: "/gelombang/{wave}/statistik", who: anyone, do: p.statisticsPage},
		{method: get, path: "/undian/{wave}", who: anyone, do: p.drawPage},
		{method: get, path: "/undian/{wave}/bukti.zip", who: anyone, do: p.proofZip},
		{method: get, path: "/undian/{wave}/bukti/{file}", who: anyone, do: p.proofFile},
		{method: get, path: "/jurnal", who: anyone, do: p.journalPage},
		{method: get, path: "/jurnal/checkpoint", who: anyone, do: p.checkpointFile},
		{method: get, path: "/demonstrasi", who: anyone, do: p.demoPage},

		// Accounts.
		{method: get, path: "/daftar", who: anyone, do: p.signUp},
		{method: post, path: "/daftar", who: anyone, do: p.signUp, tight: true},
		{method: get, path: "/masuk", who: anyone, do: p.signIn},
		{method: post, path: "/masuk", who: anyone, do: p.signIn, tight: true},
		{method: post, path: "/keluar", who: anyone, do: p.signOut},

		// The citizen's site: no path names a person.
		{method: get, path: "/saya", who: citizen, do: p.home},
		{method: get, path: "/saya/identitas", who: citizen, do: p.identify},
		{method: post, path: "/saya/identitas", who: citizen, do: p.identify, tight: true},
		{method: get, path: "/saya/kelayakan", who: citizen, do: p.eligible},
		{method: post, path: "/saya/gabung", who: citizen, do: p.join},
		{method: get, path: "/saya/gelombang/{wave}", who: citizen, do: p.myCase},
		{method: get, path: "/saya/gelombang/{wave}/surat", who: citizen, do: p.letter},
		{method: get, path: "/saya/gelombang/{wave}/bukti", who: citizen, do: p.personProof},
		{method: get, path: "/saya/gelombang/{wave}/tanda-terima", who: citizen, do: p.receipt},
		{method: get, path: "/saya/gelombang/{wave}/kursus", who: citizen, do: p.buy},
		{method: post, path: "/saya/gelombang/{wave}/kursus", who: citizen, do: p.buy},
		{method: get, path: "/saya/gelombang/{wave}/rekening", who: citizen, do: p.link},
		{method: post, path: "/saya/gelombang/{wave}/rekening", who: citizen, do: p.link, tight: true},
		{method: get, path: "/saya/gelombang/{wave}/keberatan", who: citizen, do: p.appeal},
		{method: post, path: "/saya/gelombang/{wave}/keberatan", who: citizen, do: p.appeal},
		{method: post, path: "/saya/gelombang/{wave}/keberatan/tarik", who: citizen, do: p.withdrawAppeal},
		{method: post, path: "/saya/gelombang/{wave}/keluar", who: citizen, do: p.leaveWave},
		{method: get, path: "/saya/pembayaran", who: citizen, do: p.myPayments},
		{method: get, path: "/saya/data", who: citizen, do: p.myData},
		{method: post, path: "/saya/data/unduh", who: citizen, do: p.ownFile, tight: true},
		{method: post, path: "/saya/data/mundur", who: citizen, do: p.withdraw, tight: true},

		// The officer's desk.
		{method: get, path: "/petugas/masuk", who: anyone, do: p.officerSignIn},
		{method: post, path: "/petugas/masuk", who: anyone, do: p.officerSignIn, tight: true},
		{method: get, path: "/petugas/oidc", who: anyone, do: p.beginOIDC, tight: true},
		{method: get, path: "/petugas/oidc/kembali", who: anyone, do: p.finishOIDC, tight: true},
		{method: get, path: "/petugas", who: officer, role: roleAny, do: p.desk},
		{method: get, path: "/petugas/gelombang", who: officer, role: roleWaves, do: p.plans},
		{method: post, path: "/petugas/gelombang", who: officer, role: roleWaves, do: p.plans},
		{method: get, path: "/petugas/gelombang/{wave}", who: officer, role: roleAny, do: p.waveDesk},
		{method: post, path: "/petugas/gelombang/{wave}/langkah/{act}", who: officer, role: roleWaves, do: p.waveAct},
		{method: get, path: "/petugas/gelombang/{wave}/undian", who: officer, role: roleWaves, do: p.ceremony},
		{method: post, path: "/petugas/gelombang/{wave}/undian", who: officer, role: roleWaves, do: p.ceremony},
		{method: get, path: "/petugas/gelombang/{wave}/kasus", who: officer, role: roleCases, do: p.caseList},
		{method: get, path: "/petugas/gelombang/{wave}/kasus.csv", who: officer, role: roleCases, do: p.caseExport},
		{method: get, path: "/petugas/kasus/{wave}/{applicant}", who: officer, role: roleCases, do: p.caseDesk},
		{method: post, path: "/petugas/kasus/{wave}/{applicant}/{event}", who: officer, role: roleCases, do: p.caseAct},
		{method: get, path: "/petugas/cari", who: officer, role: roleCases, do: p.search},
		{method: post, path: "/petugas/cari", who: officer, role: roleCases, do: p.search, tight: true},
		{method: get, path: "/petugas/keberatan", who: officer, role: roleCases, do: p.appealList},
		{method: get, path: "/petugas/keberatan/{wave}/{applicant}/{number}", who: officer, role: roleCases, do: p.appealDesk},
		{method: post, path: "/petugas/keberatan/{wave}/{applicant}/{number}", who: officer, role: roleCases, do: p.appealDesk},
		{method: get, path: "/petugas/rujukan", who: officer, role: roleCases, do: p.referrals},
		{method: post, path: "/petugas/rujukan", who: officer, role: roleCases, do: p.referrals},
		{method: get, path: "/petugas/rujukan/{referral}", who: officer, role: roleCases, do: p.referralDesk},
		{method: post, path: "/petugas/rujukan/{referral}", who: officer, role: roleCases, do: p.referralDesk},
		{method: get, path: "/petugas/pekerjaan", who: officer, role: roleAny, do: p.jobList},
		{method: get, path: "/petugas/pekerjaan/keadaan", who: officer, role: roleAny, do: p.jobStatus},
		{method: get, path: "/petugas/pembayaran", who: officer, role: roleAny, do: p.batchList},
		{method: post, path: "/petugas/pembayaran", who: officer, role: rolePrepare, do: p.prepare},
		{method: get, path: "/petugas/pembayaran/{batch}", who: officer, role: roleAny, do: p.batchDesk},
		{method: post, path: "/petugas/pembayaran/{batch}/setujui", who: officer, role: roleApprove, do: p.batchAct("approve"), tight: true},
		{method: post, path: "/petugas/pembayaran/{batch}/lepas", who: officer, role: roleRelease, do: p.batchAct("release"), tight: true},
		{method: post, path: "/petugas/pembayaran/{batch}/tutup", who: officer, role: rolePrepare, do: p.batchAct("close"), tight: true},
		{method: get, path: "/petugas/pembayaran/{batch}/berkas", who: officer, role: roleRelease, do: p.bankOrders},
		{method: get, path: "/petugas/pembayaran/{batch}/rekening-koran-demo", who: officer, role: rolePrepare, do: p.demoStatement},
		{method: get, path: "/petugas/selisih", who: officer, role: roleAny, do: p.differences},
		{method: post, path: "/petugas/rekening-koran", who: officer, role: rolePrepare, do: p.takeStatement, body: mostStatement + 64<<10},
		{method: get, path: "/petugas/jurnal", who: officer, role: roleAny, do: p.journalDesk},
		{method: post, path: "/petugas/demo/waktu", who: officer, role: roleAny, do: p.moveClock},

		// The interface for programs.
		{method: get, path: "/api/v1/openapi.json", who: anyone, do: p.apiDocument},
		{method: get, path: "/api/v1/waves", who: anyone, do: p.apiWaves},
		{method: get, path: "/api/v1/waves/{wave}", who: anyone, do: p.apiWave},
		{method: get, path: "/api/v1/waves/{wave}/applications", who: machine, role: scopeRead, do: p.apiCases},
		{method: post, path: "/api/v1/waves/{wave}/applications", who: machine, role: scopeCases, do: p.once(p.apiJoin)},
		{method: get, path: "/api/v1/waves/{wave}/applications/{applicant}", who: machine, role: scopeRead, do: p.apiCase},
		{method: post, path: "/api/v1/waves/{wave}/applications/{applicant}/events", who: machine, role: scopeCases, do: p.once(p.apiEvent)},
		{method: get, path: "/api/v1/waves/{wave}/dci-enrolment", who: machine, role: scopeRead, do: p.apiEnrolment},
		{method: post, path: "/api/v1/registrations", who: machine, role: scopeCases, do: p.once(p.apiRegister)},
		{method: get, path: "/api/v1/batches/{batch}/g2p-disburse", who: machine, role: scopePay, do: p.apiDisburse},
		{method: get, path: "/api/v1/events", who: machine, role: scopeRead, do: p.apiEvents},
	}
}
