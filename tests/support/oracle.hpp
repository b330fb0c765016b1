// What a TCP owes to one arriving segment: a model of RFC 9293 3.10.7.1 to 3.10.7.4 in plain data, with RFC 5961 and
// RFC 1337, written from these texts and not from the stack, so that a fault would have to be made twice to hide.
//
// It knows connections on which nothing is outstanding but a SYN or FIN of the stack's, and nothing is queued out of
// order; windows, also closed ones; timestamps, as far as PAWS goes (RFC 7323 5). It leaves out the limit of challenge
// ACKs, URG, and windows that change.
//
// Where the stack departs from the tables on purpose is said in one place, `deviation`, each with its reason.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace tcpco_test::oracle {

enum class state : std::uint8_t {
    closed, listen, syn_sent, syn_received, syn_received_active, established, fin_wait_1, fin_wait_2, close_wait,
    closing, last_ack, time_wait, time_wait_alone  // the last one: closed by its user, who cannot look any more
};

// Timestamps: not agreed on; or agreed, and the segment's is newer or older than the last, or it has none.
enum class timing : std::uint8_t { none, newer, older, missing };

// Where the stack stands before the segment comes.
struct facts {
    state in{};
    std::uint32_t rcv_nxt = 0;
    std::uint32_t rcv_wnd = 0;
    std::uint32_t snd_una = 0;
    std::uint32_t snd_nxt = 0;
    std::uint32_t max_snd_wnd = 0;
    timing ts = timing::none;
};

struct segment {
    std::uint32_t seq = 0;
    std::uint32_t ack = 0;
    std::uint32_t payload = 0;
    bool syn = false;
    bool has_ack = false;
    bool fin = false;
    bool rst = false;
};

// What must be seen. `reply` is in the words of packet_text.hpp; `next` as in RFC 9293 figure 5.
struct verdict {
    std::string reply = "-";
    std::string next;
    std::uint32_t delivered = 0;
    bool may_wait = false;   // a delayed ACK (MUST-40)
    std::string error = "";  // what the user is told, where it is
};

inline const char* name(state s)
{
    static constexpr const char* names[] = {"CLOSED", "LISTEN", "SYN-SENT", "SYN-RECEIVED", "SYN-RECEIVED",
                                            "ESTABLISHED", "FIN-WAIT-1", "FIN-WAIT-2", "CLOSE-WAIT", "CLOSING",
                                            "LAST-ACK", "TIME-WAIT", "TIME-WAIT"};
    return names[static_cast<std::size_t>(s)];
}

inline std::string words(const char* flags, std::uint32_t seq)
{
    return std::string{flags} + " seq=" + std::to_string(seq);
}
inline std::string words(const char* flags, std::uint32_t seq, std::uint32_t ack)
{
    return words(flags, seq) + " ack=" + std::to_string(ack);
}
// a <= b on the circle of sequence numbers.
inline bool at_most(std::uint32_t a, std::uint32_t b) { return static_cast<std::int32_t>(b - a) >= 0; }
inline bool left_of(const facts& f, std::uint32_t seq) { return seq != f.rcv_nxt && at_most(seq, f.rcv_nxt); }
inline bool inside(const facts& f, std::uint32_t seq) { return seq - f.rcv_nxt < f.rcv_wnd; }
inline bool half_open(const facts& f) { return f.in == state::syn_received || f.in == state::syn_received_active; }
inline bool over(const facts& f) { return f.in == state::time_wait || f.in == state::time_wait_alone; }
inline std::uint32_t length_of(const segment& s) { return s.payload + (s.syn ? 1 : 0) + (s.fin ? 1 : 0); }

// RFC 9293 3.10.7.4, the table of step 1.
inline bool acceptable(const facts& f, const segment& s)
{
    const std::uint32_t length = length_of(s);
    if (length == 0) {
        return f.rcv_wnd == 0 ? s.seq == f.rcv_nxt : inside(f, s.seq);
    }
    return f.rcv_wnd > 0 && (inside(f, s.seq) || inside(f, s.seq + length - 1));
}

// Step 2 with RFC 5961 3.2: only the exact number resets, the rest of the window is challenged, without an answer to
// what lies outside. Who opened passively is not told (back to LISTEN), nor who has closed both ways.
inline verdict on_reset(const facts& f, const segment& s)
{
    if (s.seq != f.rcv_nxt) {
        return {inside(f, s.seq) ? words("A", f.snd_nxt, f.rcv_nxt) : "-", name(f.in)};
    }
    verdict v{"-", "CLOSED"};
    switch (f.in) {
    case state::syn_received_active: v.error = "connection refused"; break;
    case state::established:
    case state::fin_wait_1:
    case state::fin_wait_2:
    case state::close_wait: v.error = "connection reset by peer"; break;
    default: break;
    }
    return v;
}

// Steps 6 to 8 for what step 5 has let through in state `in`.
inline verdict on_text(const facts& f, const segment& s, state in)
{
    const bool reads = in == state::established || in == state::fin_wait_1 || in == state::fin_wait_2;
    const std::uint32_t length = s.payload + (s.fin ? 1 : 0);
    if (!reads || length == 0) {
        return {"-", name(in)};
    }
    if (s.seq != f.rcv_nxt && at_most(f.rcv_nxt, s.seq)) {  // behind a hole: RFC 5681 3.2, an ACK at once
        return {words("A", f.snd_nxt, f.rcv_nxt), name(in)};
    }
    const std::uint32_t old = f.rcv_nxt - s.seq;
    const std::uint32_t fresh = s.payload - (old < s.payload ? old : s.payload);
    const std::uint32_t taken = fresh < f.rcv_wnd ? fresh : f.rcv_wnd;
    const bool fin = s.fin && fresh < f.rcv_wnd;  // the FIN needs a place in the window, too
    verdict v{words("A", f.snd_nxt, f.rcv_nxt + taken + (fin ? 1 : 0)), name(in), taken, taken > 0 && !fin};
    if (fin) {
        v.next = in == state::established ? "CLOSE-WAIT" : in == state::fin_wait_1 ? "CLOSING" : "TIME-WAIT";
    }
    return v;
}

// Step 5, then the rest.
inline verdict on_ack(const facts& f, const segment& s)
{
    const std::string again = words("A", f.snd_nxt, f.rcv_nxt);
    if (!s.has_ack) {
        return {"-", name(f.in)};
    }
    const bool of_something_new = s.ack != f.snd_una && at_most(f.snd_una, s.ack) && at_most(s.ack, f.snd_nxt);
    if (half_open(f)) {
        return of_something_new ? on_text(f, s, state::established) : verdict{words("R", s.ack), name(f.in)};
    }
    if (!at_most(s.ack, f.snd_nxt) || !at_most(f.snd_una - f.max_snd_wnd, s.ack)) {  // RFC 5961 5.2
        return {again, name(f.in)};
    }
    state in = f.in;
    if (of_something_new) {
        switch (f.in) {
        case state::fin_wait_1: in = state::fin_wait_2; break;
        case state::closing: return {"-", "TIME-WAIT"};
        case state::last_ack: return {"-", "CLOSED"};
        default: break;
        }
    }
    return on_text(f, s, in);
}

// RFC 9293 3.10.7.3.
inline verdict in_syn_sent(const facts& f, const segment& s)
{
    const bool good = s.has_ack && s.ack != f.snd_una && at_most(f.snd_una, s.ack) && at_most(s.ack, f.snd_nxt);
    if (s.has_ack && !good) {
        return {s.rst ? "-" : words("R", s.ack), "SYN-SENT"};
    }
    if (s.rst) {
        return {"-", good ? "CLOSED" : "SYN-SENT", 0, false, good ? "connection refused" : ""};
    }
    if (!s.syn) {
        return {"-", "SYN-SENT"};
    }
    if (!good) {
        return {words("SA", f.snd_una, s.seq + 1), "SYN-RECEIVED"};
    }
    const std::uint32_t length = s.payload + (s.fin ? 1 : 0);
    return {words("A", f.snd_nxt, s.seq + 1 + length), s.fin ? "CLOSE-WAIT" : "ESTABLISHED", s.payload,
            s.payload > 0 && !s.fin};
}

// What the stack does otherwise than the tables say, on purpose. Nothing: the tables hold.
namespace deviation {

// A SYN meets TIME-WAIT (MAY-2, RFC 6191; its SHOULDs): a newer one makes a new connection, an older one is dropped
// without a word. Newer: by timestamp where both have one, else by number.
inline std::optional<verdict> syn_in_time_wait(const facts& f, const segment& s)
{
    if (!over(f) || !s.syn || s.has_ack || s.rst) {
        return std::nullopt;
    }
    const bool opens = f.ts == timing::newer || (f.ts != timing::older && at_most(f.rcv_nxt, s.seq));
    return opens ? verdict{"SA ack=" + std::to_string(s.seq + 1), "SYN-RECEIVED"} : verdict{"-", name(f.in)};
}

// RFC 1337 F1: an RST does not end TIME-WAIT.
inline std::optional<verdict> reset_in_time_wait(const facts& f, const segment& s)
{
    if (!over(f) || !s.rst || s.seq != f.rcv_nxt) {
        return std::nullopt;
    }
    return verdict{"-", name(f.in)};
}

// An RST whose number lies before the window while its text reaches into it: RFC 5961 3.2 looks at the number alone and
// is silent; step 1's table calls the segment acceptable. A challenge serves both: a real peer is heard at once, and a
// blind one gains nothing.
inline std::optional<verdict> reset_reaching_in(const facts& f, const segment& s)
{
    if (!s.rst || !left_of(f, s.seq) || !acceptable(f, s)) {
        return std::nullopt;
    }
    return verdict{words("A", f.snd_nxt, f.rcv_nxt), name(f.in)};
}

// The SYN,ACK of a simultaneous open repeats a SYN that has come, so step 1 would answer it with an ACK and drop it.
// Its acknowledgement is taken at once, as in Linux: a round trip less, and it cannot loop.
inline std::optional<verdict> crossed_syn_ack(const facts& f, const segment& s)
{
    if (f.in != state::syn_received_active || !s.syn || !s.has_ack || s.rst || s.seq + 1 != f.rcv_nxt ||
        s.ack != f.snd_nxt || f.ts == timing::older) {
        return std::nullopt;
    }
    return verdict{words("A", f.snd_nxt, f.rcv_nxt + s.payload + (s.fin ? 1 : 0)), s.fin ? "CLOSE-WAIT" : "ESTABLISHED",
                   s.payload};
}

// The peer repeats its SYN, bare or not: our SYN,ACK was lost. A mere ACK (step 1) tells a peer in SYN-SENT nothing,
// and silence (step 5, where text behind the SYN makes it acceptable) even less.
inline std::optional<verdict> repeated_syn(const facts& f, const segment& s)
{
    if (!half_open(f) || !s.syn || s.has_ack || s.rst || s.seq + 1 != f.rcv_nxt ||
        f.ts == timing::older) {
        return std::nullopt;
    }
    return verdict{words("SA", f.snd_una, f.rcv_nxt), name(f.in)};
}

inline std::optional<verdict> any(const facts& f, const segment& s)
{
    for (const auto which :
         {syn_in_time_wait, reset_in_time_wait, reset_reaching_in, crossed_syn_ack, repeated_syn}) {
        if (const auto v = which(f, s)) {
            return v;
        }
    }
    return std::nullopt;
}

}  // namespace deviation

// RFC 9293 3.10.7.4.
inline verdict in_other_states(const facts& f, segment s)
{
    const verdict again{words("A", f.snd_nxt, f.rcv_nxt), name(f.in)};
    if (const auto v = deviation::any(f, s)) {
        return *v;
    }
    if (f.ts == timing::older && !s.rst) {  // RFC 7323 5.3 R1: before the window is looked at
        return again;
    }
    if (f.ts == timing::missing && !s.rst && !s.syn) {  // RFC 7323 3.2; a SYN is challenged (RFC 5961 4.2)
        return {"-", name(f.in)};
    }
    if (s.rst) {
        return on_reset(f, s);
    }
    if (s.syn && !half_open(f)) {  // RFC 5961 4.2: whatever its number
        return again;
    }
    if (f.rcv_wnd == 0 && s.seq == f.rcv_nxt && !s.syn && length_of(s) > 0) {
        // MUST-66: the window is closed, the ACK field of what tries it is used nevertheless.
        s.payload = 0;
        s.fin = false;
        verdict v = on_ack(f, s);
        v.reply = v.next == "CLOSED" ? "-" : again.reply;
        return v;
    }
    if (!acceptable(f, s)) {
        return again;
    }
    if (s.syn && !s.has_ack && left_of(f, s.seq)) {  // RFC 5961 4.2: challenged, not trimmed to silence by step 5
        return again;
    }
    if (s.syn && left_of(f, s.seq)) {  // step 1 trims it away like other octets that have come already
        ++s.seq;
        s.syn = false;
    }
    if (s.syn) {  // step 4: a half-open connection goes back to LISTEN, one that was opened actively challenges
        return f.in == state::syn_received ? verdict{"-", "CLOSED"} : again;
    }
    return on_ack(f, s);
}

inline verdict predict(const facts& f, const segment& s)
{
    switch (f.in) {
    case state::closed:
        return {s.rst ? "-" : s.has_ack ? words("R", s.ack) : words("RA", 0, s.seq + length_of(s)), "CLOSED"};
    case state::listen:
        if (s.rst || (!s.has_ack && !s.syn)) {
            return {"-", "LISTEN"};
        }
        return s.has_ack ? verdict{words("R", s.ack), "LISTEN"}
                         : verdict{words("SA", f.snd_nxt, s.seq + 1), "SYN-RECEIVED"};
    case state::syn_sent: return in_syn_sent(f, s);
    default: return in_other_states(f, s);
    }
}

}  // namespace tcpco_test::oracle
