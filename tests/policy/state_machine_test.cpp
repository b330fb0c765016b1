// The transition tables against RFC 9293: figure 5 and section 3.10, each of the 11 states with each of the 15 events.
#include "tcpco/policy/state_machine/rfc9293.hpp"

#include <string>

#include "catch.hpp"
#include "support/network.hpp"

using namespace tcpco_test;

namespace {

using state_machines::no_simultaneous_open;
using state_machines::rfc9293;

using s = tcp_state;
using e = tcp_event;

// --- the golden table ----------------------------------------------------------------------------------------------
// Where an event leads, by who opened the connection and whether octets wait to be sent. `none`: the event is refused.

constexpr s none = static_cast<s>(255);

struct cell {
    s active_empty = none;
    s active_queued = none;
    s passive_empty = none;
    s passive_queued = none;

    constexpr cell() = default;
    constexpr cell(s to) : active_empty{to}, active_queued{to}, passive_empty{to}, passive_queued{to} {}
    constexpr s at(guard_input in) const
    {
        return in.passive ? (in.octets_queued ? passive_queued : passive_empty)
                          : (in.octets_queued ? active_queued : active_empty);
    }
};

// MUST-11: an RST or a SYN in SYN-RECEIVED leads back to LISTEN only where the connection came from there.
constexpr cell by_origin(s passive, s active)
{
    cell c;
    c.active_empty = c.active_queued = active;
    c.passive_empty = c.passive_queued = passive;
    return c;
}

constexpr cell by_queue(s empty, s queued)
{
    cell c;
    c.active_empty = c.passive_empty = empty;
    c.active_queued = c.passive_queued = queued;
    return c;
}

constexpr cell no{};
constexpr s CLOS = s::closed, LIST = s::listen, SENT = s::syn_sent, RCVD = s::syn_received, ESTB = s::established,
            FW1 = s::fin_wait_1, FW2 = s::fin_wait_2, CLWT = s::close_wait, CLNG = s::closing, LACK = s::last_ack,
            TIMW = s::time_wait;

// Columns: passive OPEN, active OPEN, CLOSE, ABORT | SYN acceptable, SYN acknowledged, SYN crossed, handshake
// acknowledged, SYN repeated | FIN acceptable, FIN acknowledged, RST acceptable | gave up, 2MSL elapsed, FIN-WAIT-2
// elapsed.
//
// Events are verdicts: an ACK of our FIN is judged before the FIN in the same segment, so FIN-WAIT-1 with both goes
// through FIN-WAIT-2, and SYN-RECEIVED with a FIN through ESTABLISHED.
constexpr cell golden[tcp_state_count][tcp_event_count] = {
    /* CLOSED */
    {LIST, SENT, no, no, /**/ no, no, no, no, no, /**/ no, no, no, /**/ no, no, no},
    /* LISTEN */
    {no, SENT, CLOS, CLOS, /**/ RCVD, no, no, no, no, /**/ no, no, no, /**/ no, no, no},
    /* SYN-SENT */
    {no, no, CLOS, CLOS, /**/ no, ESTB, RCVD, no, no, /**/ no, no, CLOS, /**/ CLOS, no, no},
    /* SYN-RECEIVED: CLOSE waits for ESTABLISHED while octets are queued (3.10.4) */
    {no, no, by_queue(FW1, RCVD), CLOS, /**/ no, no, no, ESTB, by_origin(LIST, none), /**/ no, no,
     by_origin(LIST, CLOS), /**/ CLOS, no, no},
    /* ESTABLISHED */
    {no, no, FW1, CLOS, /**/ no, no, no, no, no, /**/ CLWT, no, CLOS, /**/ CLOS, no, no},
    /* FIN-WAIT-1 */
    {no, no, no, CLOS, /**/ no, no, no, no, no, /**/ CLNG, FW2, CLOS, /**/ CLOS, no, no},
    /* FIN-WAIT-2: its end by time is ours, not the RFC's */
    {no, no, no, CLOS, /**/ no, no, no, no, no, /**/ TIMW, no, CLOS, /**/ CLOS, no, CLOS},
    /* CLOSE-WAIT */
    {no, no, LACK, CLOS, /**/ no, no, no, no, no, /**/ no, no, CLOS, /**/ CLOS, no, no},
    /* CLOSING */
    {no, no, no, CLOS, /**/ no, no, no, no, no, /**/ no, TIMW, CLOS, /**/ CLOS, no, no},
    /* LAST-ACK */
    {no, no, no, CLOS, /**/ no, no, no, no, no, /**/ no, CLOS, CLOS, /**/ CLOS, no, no},
    /* TIME-WAIT: an RST is the time_wait policy's question (RFC 1337), a repeated FIN no transition */
    {no, no, no, CLOS, /**/ no, no, no, no, no, /**/ no, no, no, /**/ no, CLOS, no},
};

constexpr guard_input inputs[] = {{false, false}, {false, true}, {true, false}, {true, true}};

template <class Machine>
constexpr s target(s from, e event, guard_input in)
{
    const transition* row = find_transition<Machine>(from, event, in);
    return row == nullptr ? none : row->to;
}

// Calls fn(state, event, input) for all of them.
template <class F>
constexpr void for_all(F&& fn)
{
    for (std::size_t from = 0; from < tcp_state_count; ++from) {
        for (std::size_t event = 0; event < tcp_event_count; ++event) {
            for (const guard_input in : inputs) {
                fn(static_cast<s>(from), static_cast<e>(event), in);
            }
        }
    }
}

template <class Machine>
constexpr int differences()
{
    int n = 0;
    for_all([&](s from, e event, guard_input in) {
        const s wanted = golden[static_cast<std::size_t>(from)][static_cast<std::size_t>(event)].at(in);
        n += target<Machine>(from, event, in) == wanted ? 0 : 1;
    });
    return n;
}

static_assert(differences<rfc9293>() == 0);

// --- what a transition does (3.10), stated once more ----------------------------------------------------------------

// 3.10.5: ABORT tells the peer where both ends have numbers to tell it with, and it may still send.
constexpr bool abort_resets(s from)
{
    return from == RCVD || from == ESTB || from == FW1 || from == FW2 || from == CLWT;
}

constexpr actions wanted_actions(s from, e event, guard_input in)
{
    const s to = golden[static_cast<std::size_t>(from)][static_cast<std::size_t>(event)].at(in);
    actions does = actions::none;
    const auto add = [&does](actions a) { does = does | a; };
    if (to == CLOS || (to == LIST && from != CLOS)) {
        add(actions::delete_tcb);
    }
    switch (event) {
    case e::active_open: add(actions::send_syn); break;
    case e::syn_acceptable:
    case e::syn_crossed: add(actions::send_syn_ack); break;
    case e::syn_acked: add(actions::send_ack | actions::signal_established); break;
    case e::handshake_acked: add(actions::signal_established); break;
    case e::fin_acceptable:
        add(actions::send_ack | actions::signal_end_of_stream);
        break;
    case e::close:
        if (to == FW1 || to == LACK) {
            add(actions::send_fin);
        } else if (to == RCVD) {
            add(actions::defer_close);
        }
        break;
    case e::abort:
        if (abort_resets(from)) {
            add(actions::send_rst);
        }
        break;
    case e::rst_acceptable:
        if (from == SENT || (from == RCVD && !in.passive)) {
            add(actions::signal_refused);
        } else if (from == ESTB || from == FW1 || from == FW2 || from == CLWT) {
            add(actions::signal_reset);  // in CLOSING and LAST-ACK there is nothing left to lose
        }
        break;
    case e::gave_up:
        add(actions::signal_timed_out);
        // A courtesy: a peer that lives again learns that the connection does not.
        if (abort_resets(from) && from != RCVD) {
            add(actions::send_rst);
        }
        break;
    default: break;
    }
    if (to == TIMW) {
        add(actions::start_two_msl);
    }
    return does;
}

template <class Machine>
constexpr bool does_what_it_should()
{
    bool good = true;
    for_all([&](s from, e event, guard_input in) {
        const transition* row = find_transition<Machine>(from, event, in);
        good = good && (row == nullptr || row->act == wanted_actions(from, event, in));
    });
    return good;
}

static_assert(does_what_it_should<rfc9293>());

// --- machines of users -----------------------------------------------------------------------------------------------

static_assert(state_machine<rfc9293>);
static_assert(state_machine<no_simultaneous_open>);
static_assert(no_simultaneous_open::rows.size() + 1 == rfc9293::rows.size());
static_assert(target<no_simultaneous_open>(SENT, e::syn_crossed, {}) == none);
static_assert(target<no_simultaneous_open>(SENT, e::syn_acked, {}) == ESTB);
static_assert(differences<no_simultaneous_open>() == 4);  // one cell, and its four inputs

// Rows of one state and one event need not stand together, nor states in any order.
struct shuffled {
    static constexpr auto rows = [] {
        auto all = rfc9293::rows;
        for (std::size_t i = 0; i < all.size(); ++i) {
            all[i] = rfc9293::rows[(i * 20 + 7) % all.size()];  // 20 and 49 have no common divisor
        }
        return all;
    }();
};
static_assert(state_machine<shuffled> && differences<shuffled>() == 0);

// Only servers: nothing is ever opened from here. Two rows less, and the rest as it was.
struct passive_only {
    static constexpr auto rows =
        without<rfc9293::rows, [](const transition& row) { return row.event == e::active_open; }>();
};
static_assert(state_machine<passive_only> && passive_only::rows.size() + 2 == rfc9293::rows.size());

// A guarded edge more: CLOSE in SYN-RECEIVED with octets queued gives the connection up when the peer opened it,
// instead of waiting for it. The RFC's row for that input is replaced by two.
template <std::size_t N, std::size_t M>
constexpr auto joined(const std::array<transition, N>& x, const std::array<transition, M>& y)
{
    std::array<transition, N + M> all{};
    for (std::size_t i = 0; i < N; ++i) {
        all[i] = x[i];
    }
    for (std::size_t i = 0; i < M; ++i) {
        all[N + i] = y[i];
    }
    return all;
}

template <class... Rows>
constexpr auto table_with(const Rows&... rows)
{
    return joined(rfc9293::rows, std::array<transition, sizeof...(Rows)>{rows...});
}

constexpr bool is_deferred_close(const transition& row)
{
    return row.from == RCVD && row.event == e::close && row.when == guard::octets_queued;
}

struct impatient {
    static constexpr auto rows = joined(
        without<rfc9293::rows, is_deferred_close>(),
        std::array{transition{RCVD, e::close, guard::passive_origin, CLOS, actions::send_rst | actions::delete_tcb,
                              "own"},
                   transition{RCVD, e::close, guard::active_origin, RCVD, actions::defer_close, "3.10.4"}});
};
static_assert(state_machine<impatient>);
static_assert(target<impatient>(RCVD, e::close, {.passive = true, .octets_queued = true}) == CLOS);
static_assert(target<impatient>(RCVD, e::close, {.passive = false, .octets_queued = true}) == RCVD);
static_assert(target<impatient>(RCVD, e::close, {.passive = true, .octets_queued = false}) == FW1);  // rows in order
static_assert(differences<impatient>() == 1);

// The same with the guarded edge taken away again: a refusal, not a fall back.
struct impatient_without_the_edge {
    static constexpr auto rows = without<impatient::rows, [](const transition& row) {
        return row.from == RCVD && row.event == e::close && row.when == guard::passive_origin;
    }>();
};
static_assert(state_machine<impatient_without_the_edge>);
static_assert(target<impatient_without_the_edge>(RCVD, e::close, {.passive = true, .octets_queued = true}) == none);

// --- tables that are none --------------------------------------------------------------------------------------------

struct never_leaves_time_wait {
    static constexpr auto rows = without<rfc9293::rows, [](const transition& row) { return row.from == TIMW; }>();
};
static_assert(!state_machine<never_leaves_time_wait>);

struct never_leaves_last_ack {  // though LAST-ACK itself can be reached and all others end well
    static constexpr auto rows = without<rfc9293::rows, [](const transition& row) { return row.from == LACK; }>();
};
static_assert(!state_machine<never_leaves_last_ack>);

struct goes_round_in_circles {  // CLOSING and LAST-ACK lead to each other, and nowhere else
    static constexpr auto rows = joined(
        without<rfc9293::rows, [](const transition& row) { return row.from == CLNG || row.from == LACK; }>(),
        std::array{transition{CLNG, e::fin_acked, guard::always, LACK, actions::none, "own"},
                   transition{LACK, e::fin_acked, guard::always, CLNG, actions::none, "own"}});
};
static_assert(!state_machine<goes_round_in_circles>);

struct forgets_its_numbers {
    static constexpr auto rows =
        table_with(transition{ESTB, e::syn_repeated, guard::always, RCVD, actions::none, "own"});
};
static_assert(!state_machine<forgets_its_numbers>);

struct listens_again {  // even where the TCB is deleted: a connection does not turn into a listener
    static constexpr auto rows =
        table_with(transition{ESTB, e::syn_repeated, guard::always, LIST, actions::delete_tcb, "own"});
};
static_assert(!state_machine<listens_again>);

struct shadowed {  // never reached: the RFC's own row for CLOSE in ESTABLISHED always holds
    static constexpr auto rows =
        table_with(transition{ESTB, e::close, guard::nothing_queued, CLOS, actions::delete_tcb, "own"});
};
static_assert(!state_machine<shadowed>);

struct same_guard_twice {
    static constexpr auto rows =
        table_with(transition{RCVD, e::close, guard::octets_queued, CLOS, actions::delete_tcb, "own"});
};
static_assert(!state_machine<same_guard_twice>);

struct leaks_the_tcb {
    static constexpr auto rows = table_with(transition{TIMW, e::gave_up, guard::always, CLOS, actions::none, "own"});
};
static_assert(!state_machine<leaks_the_tcb>);

struct deletes_what_it_needs {
    static constexpr auto rows =
        table_with(transition{CLWT, e::fin_acked, guard::always, LACK, actions::delete_tcb, "own"});
};
static_assert(!state_machine<deletes_what_it_needs>);

struct says_not_why {
    static constexpr auto rows = table_with(transition{TIMW, e::gave_up, guard::always, CLOS, actions::delete_tcb, ""});
};
static_assert(!state_machine<says_not_why>);

// The rows above are wrong for the one reason each is there for: mended, they are fine.
struct well_formed_addition {
    static constexpr auto rows =
        table_with(transition{TIMW, e::gave_up, guard::always, CLOS, actions::delete_tcb, "own"});
};
static_assert(state_machine<well_formed_addition>);

struct no_rows {};
static_assert(!state_machine<no_rows>);

// --- the effect ------------------------------------------------------------------------------------------------------

struct one_way : default_policies {
    using state_machine = no_simultaneous_open;
};
struct server_only : default_policies {
    using state_machine = passive_only;
};

template <class Net>
void know_each_other(Net& net)
{
    net.a.set_neighbour(net.b.address().v4(), Net::config_b().network.mac);
    net.b.set_neighbour(net.a.address().v4(), Net::config_a().network.mac);
    net.a.advance(net.now);
    net.b.advance(net.now);
}

std::uint64_t refused(const stack_counters& c)
{
    return c.of(drop_reason::tcp_refused_by_machine);
}

}  // namespace

TEST_CASE("every state and every event of the table are as in RFC 9293 figure 5 and section 3.10",
          "[policy][RFC9293-3.10.7.4-5b]")
{
    // The same as the static_assert above, but says which cell differs.
    for_all([](s from, e event, guard_input in) {
        const s wanted = golden[static_cast<std::size_t>(from)][static_cast<std::size_t>(event)].at(in);
        const s got = target<rfc9293>(from, event, in);
        const auto name = [](s state) { return std::string{state == none ? "refused" : to_string(state)}; };
        INFO(to_string(from) << ", " << to_string(event) << ", passive " << in.passive << ", queued "
                             << in.octets_queued);
        CHECK(name(got) == name(wanted));
        if (const transition* row = find_transition<rfc9293>(from, event, in)) {
            CHECK(static_cast<unsigned>(row->act) == static_cast<unsigned>(wanted_actions(from, event, in)));
        }
    });
}

TEST_CASE("without the edge for simultaneous open a crossing SYN is answered by RST and counted", "[policy]")
{
    two_stacks<one_way, default_policies> net;
    know_each_other(net);
    // a's own SYN is lost, so what b sees of a is the answer to b's SYN.
    net.filter = [](int from, std::size_t index, const octets&) { return from == 0 && index == 0 ? 0 : 1; };
    const connection_id a = net.a.connect({net.b.address(), 2'000}, {.local = {net.a.address(), 1'000}}).value;
    const connection_id b = net.b.connect({net.a.address(), 1'000}, {.local = {net.b.address(), 2'000}}).value;
    net.settle();
    CHECK(refused(net.a.counters()) == 1);
    CHECK(net.a.counters().resets_sent == 1);
    CHECK(net.a.info(a).value.state == s::syn_sent);  // its own attempt goes on
    CHECK(net.b.info(b).value.state == s::closed);
    CHECK(net.b.error_of(b) == errc::connection_refused);
}

TEST_CASE("with the edge for simultaneous open the same crossing SYN is taken", "[policy][MUST-10]")
{
    two_stacks<> net;
    know_each_other(net);
    net.filter = [](int from, std::size_t index, const octets&) { return from == 0 && index == 0 ? 0 : 1; };
    const connection_id a = net.a.connect({net.b.address(), 2'000}, {.local = {net.a.address(), 1'000}}).value;
    const connection_id b = net.b.connect({net.a.address(), 1'000}, {.local = {net.b.address(), 2'000}}).value;
    net.settle();
    CHECK(refused(net.a.counters()) == 0);
    CHECK(net.a.counters().resets_sent == 0);
    CHECK(net.a.info(a).value.state == s::established);
    CHECK(net.b.info(b).value.state == s::established);
}

TEST_CASE("a user call that the machine has no row for is not permitted", "[policy]")
{
    two_stacks<server_only, default_policies> net;
    know_each_other(net);
    CHECK(net.a.connect({net.b.address(), 7}).ec == errc::operation_not_permitted);
    CHECK(net.a.connection_count() == 0);

    const auto listener = net.a.listen({net.a.address(), 7});
    REQUIRE(listener);
    const auto client = net.b.connect({net.a.address(), 7});
    net.settle();
    CHECK(net.a.accept(listener.value));
    CHECK(net.b.info(client.value).value.state == s::established);
}
