// What a TCP owes to one arriving segment: a model of RFC 9293 3.10.7.1 to 3.10.7.4 in plain data, with RFC 5961 and
// RFC 1337, written from these texts and not from the stack, so that a fault would have to be made twice to hide.
//
// It knows connections on which nothing is outstanding but a SYN or FIN of the stack's, and nothing is queued out of
// order. It leaves out options (PAWS, RFC 6191), the limit of challenge ACKs and windows that change.
//
// Where it allows or asks for something else than RFC 9293 alone, the place says why.
#pragma once

#include <cstdint>
#include <string>

namespace tcpco_test::oracle {

enum class state : std::uint8_t {
    closed, listen, syn_sent, syn_received, syn_received_active, established, fin_wait_1, fin_wait_2, close_wait,
    closing, last_ack, time_wait
};

// Where the stack stands before the segment comes.
struct facts {
    state in{};
    std::uint32_t rcv_nxt = 0;
    std::uint32_t rcv_wnd = 0;
    std::uint32_t snd_una = 0;
    std::uint32_t snd_nxt = 0;
    std::uint32_t max_snd_wnd = 0;
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
};

inline const char* name(state s)
{
    static constexpr const char* names[] = {"CLOSED", "LISTEN", "SYN-SENT", "SYN-RECEIVED", "SYN-RECEIVED",
                                            "ESTABLISHED", "FIN-WAIT-1", "FIN-WAIT-2", "CLOSE-WAIT", "CLOSING",
                                            "LAST-ACK", "TIME-WAIT"};
    return names[static_cast<std::size_t>(s)];
}

inline std::string words(const char* flags, std::uint32_t seq) { return std::string{flags} + " seq=" + std::to_string(seq); }
inline std::string words(const char* flags, std::uint32_t seq, std::uint32_t ack)
{
    return words(flags, seq) + " ack=" + std::to_string(ack);
}
// a <= b on the circle of sequence numbers.
inline bool at_most(std::uint32_t a, std::uint32_t b) { return static_cast<std::int32_t>(b - a) >= 0; }
inline bool inside(const facts& f, std::uint32_t seq) { return seq - f.rcv_nxt < f.rcv_wnd; }

// RFC 9293 3.10.7.4, the table of step 1.
inline bool acceptable(const facts& f, const segment& s)
{
    const std::uint32_t length = s.payload + (s.syn ? 1 : 0) + (s.fin ? 1 : 0);
    if (length == 0) {
        return f.rcv_wnd == 0 ? s.seq == f.rcv_nxt : inside(f, s.seq);
    }
    return f.rcv_wnd > 0 && (inside(f, s.seq) || inside(f, s.seq + length - 1));
}

// Step 2 with RFC 5961 3.2: only the exact number resets, the rest of the window is challenged, without an answer to
// what lies outside. TIME-WAIT ignores RSTs (RFC 1337 F1), and may challenge none or those in the window.
inline verdict on_reset(const facts& f, const segment& s)
{
    const std::string same = name(f.in);
    const std::string challenge = words("A", f.snd_nxt, f.rcv_nxt);
    if (s.seq == f.rcv_nxt) {
        return {"-", f.in == state::time_wait ? same : "CLOSED"};
    }
    if (!inside(f, s.seq)) {
        return {"-", same};
    }
    return {f.in == state::time_wait ? "-|" + challenge : challenge, same};
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
    verdict v{words("A", f.snd_nxt, f.rcv_nxt + taken + (fin ? 1 : 0)), name(in), taken};
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
    if (f.in == state::syn_received || f.in == state::syn_received_active) {
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
        return {"-", good ? "CLOSED" : "SYN-SENT"};
    }
    if (!s.syn) {
        return {"-", "SYN-SENT"};
    }
    if (!good) {
        return {words("SA", f.snd_una, s.seq + 1), "SYN-RECEIVED"};
    }
    const std::uint32_t length = s.payload + (s.fin ? 1 : 0);
    return {words("A", f.snd_nxt, s.seq + 1 + length), s.fin ? "CLOSE-WAIT" : "ESTABLISHED", s.payload};
}

inline verdict predict(const facts& f, const segment& s)
{
    const std::uint32_t length = s.payload + (s.syn ? 1 : 0) + (s.fin ? 1 : 0);
    if (f.in == state::closed) {
        return {s.rst ? "-" : s.has_ack ? words("R", s.ack) : words("RA", 0, s.seq + length), "CLOSED"};
    }
    if (f.in == state::listen) {
        if (s.rst || (!s.has_ack && !s.syn)) {
            return {"-", "LISTEN"};
        }
        return s.has_ack ? verdict{words("R", s.ack), "LISTEN"}
                         : verdict{words("SA", f.snd_nxt, s.seq + 1), "SYN-RECEIVED"};
    }
    if (f.in == state::syn_sent) {
        return in_syn_sent(f, s);
    }
    if (s.rst) {
        return on_reset(f, s);
    }
    const std::string again = words("A", f.snd_nxt, f.rcv_nxt);
    if (s.syn && f.in != state::syn_received) {  // RFC 5961 4.2: whatever its number
        return {again, name(f.in)};
    }
    if (!acceptable(f, s)) {
        return {again, name(f.in)};
    }
    return s.syn ? verdict{"-", "CLOSED"} : on_ack(f, s);  // step 4: a half-open connection goes back to LISTEN
}

}  // namespace tcpco_test::oracle
