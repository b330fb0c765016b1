// A scripted peer: it talks to one stack under test, packet by packet, in virtual time.
//
//     peer p;
//     p.in_established();
//     p.send("R seq=1002");
//     CHECK(p.next() == "A seq=5001 ack=1001");
//     CHECK(p.next() == "-");                     // nothing more
//
// How packets are said: support/packet_text.hpp. The stack's first ISS is 5000, the peer's 1000. A failed comparison
// prints the whole conversation.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "support/wire_peer.hpp"
#include "tcpco/policy/congestion/reno.hpp"
#include "tcpco/policy/isn/sequential.hpp"
#include "tcpco/policy/recovery/new_reno.hpp"
#include "tcpco/policy/recovery/with_undo.hpp"
#include "tcpco/policy/recovery_rate/pass_through.hpp"

namespace tcpco_test {

struct conformance_policies : default_policies {
    using congestion = tcpco::congestion::reno;
    using recovery = tcpco::recovery::with_undo<tcpco::recovery::new_reno>;
    using recovery_rate = reduction::pass_through;
    using isn = tcpco::isn::sequential;
};

// The stack's configuration for the sequences of the specification: ISS 5000, a window of 10,000 octets, RTO 1 s,
// no ARP.
template <class Bundle = conformance_policies>
stack_config<Bundle> baseline()
{
    stack_config<Bundle> c{.address = "192.0.2.1/24"_net};
    c.network.ethernet = false;
    c.receive_window.capacity = 10'000;
    c.rto.minimum = 1_s;
    c.seed = 9;
    return c;
}

template <class Bundle = conformance_policies, class F>
stack_config<Bundle> with(F&& change)
{
    stack_config<Bundle> c = baseline<Bundle>();
    change(c);
    return c;
}

template <class Bundle = conformance_policies>
class peer : public wire_peer<Bundle> {
public:
    explicit peer(const stack_config<Bundle>& c = baseline<Bundle>()) : wire_peer<Bundle>{c} {}

    using wire_peer<Bundle>::stack;
    using wire_peer<Bundle>::now;
    using wire_peer<Bundle>::sut_address;
    using wire_peer<Bundle>::peer_address;
    using wire_peer<Bundle>::sut_port;
    using wire_peer<Bundle>::peer_port;
    using wire_peer<Bundle>::iss;
    using wire_peer<Bundle>::irs;
    using wire_peer<Bundle>::window;
    using wire_peer<Bundle>::send;
    using wire_peer<Bundle>::next;
    using wire_peer<Bundle>::mark;
    using wire_peer<Bundle>::conversation;

    listener_id listener{};
    connection_id id{};

    // --- the stack's user --------------------------------------------------------------------------------------------

    void listen(std::uint32_t backlog = 128) { listener = stack.listen({sut_address, sut_port}, backlog).value; }
    void connect()
    {
        sut_port = 30'000;
        const auto [ec, connection] =
            stack.connect({peer_address, peer_port}, {.local = {sut_address, sut_port}, .no_delay = false});
        if (ec != errc::ok) {
            throw std::runtime_error{std::string{"connect: "} + message(ec)};
        }
        id = connection;
    }
    bool accept()
    {
        const auto [ec, connection] = stack.accept(listener);
        if (ec == errc::ok) {
            id = connection;
            half_open_ = false;
        }
        return ec == errc::ok;
    }
    // Writes the next n octets of the stream; all of them must fit.
    void write(std::size_t n)
    {
        std::vector<std::byte> octets(n);
        for (std::byte& b : octets) {
            b = stream_octet(written_++);
        }
        const auto [ec, taken] = stack.write(id, octets);
        if (ec != errc::ok || taken != n) {
            throw std::runtime_error{std::string{"write: "} + message(ec)};
        }
    }
    errc write_error()
    {
        const std::byte one[] = {std::byte{0}};
        return stack.write(id, one).ec;
    }
    // Reads up to `limit` octets and checks them against the stream; returns how many there were.
    std::size_t read(std::size_t limit = 1'000'000)
    {
        std::vector<std::byte> octets(limit);
        std::size_t total = 0;
        while (total < limit) {
            const auto [ec, n] = stack.read(id, std::span{octets}.subspan(total));
            read_error_ = ec;
            if (ec != errc::ok || n == 0) {
                break;
            }
            total += n;
        }
        for (std::size_t i = 0; i < total; ++i) {
            if (octets[i] != stream_octet(read_++)) {
                throw std::runtime_error{"the reader got a wrong octet:\n" + *conversation()};
            }
        }
        return total;
    }
    std::string read_error()
    {
        std::byte one[1];
        return message(stack.read(id, one).ec);
    }
    bool end_of_stream()
    {
        std::byte one[1];
        return stack.read(id, one).ec == errc::end_of_stream;
    }
    void shutdown() { shutdown_result = stack.shutdown(id); }
    void close() { close_result = stack.close(id); }
    void abort() { close_result = stack.abort(id); }
    errc shutdown_result = errc::ok;
    errc close_result = errc::ok;

    // --- looking -----------------------------------------------------------------------------------------------------

    tcp_info info()
    {
        follow();
        return stack.info(id).value;
    }
    // As in RFC 9293 figure 5; "CLOSED" when there is no connection any more.
    std::string state()
    {
        follow();
        const auto [ec, i] = stack.info(id);
        return ec == errc::ok ? to_string(i.state) : "CLOSED";
    }
    // Why it ended. Of a connection whose owner closed it nobody can ask.
    std::string error() { return message(stack.error_of(id)); }
    std::uint64_t dropped(drop_reason reason) const { return stack.counters().of(reason); }
    // States of all connections that the stack has, closed ones excluded.
    std::vector<std::string> connections()
    {
        std::vector<std::string> states;
        stack.for_each_connection([&](connection_id c, const tcp_info& i) {
            if (i.state != tcp_state::closed) {
                states.push_back(to_string(i.state));
                found_ = c;
            }
        });
        return states;
    }
    // Takes the only connection in sight as the one to ask about.
    void find_connection()
    {
        if (connections().size() != 1) {
            throw std::runtime_error{"there is not exactly one connection:\n" + *conversation()};
        }
        id = found_;
        half_open_ = true;
    }

    // --- states. `options` goes with the peer's SYN, the rest of the sequence is fixed. ------------------------------

    void in_syn_received(std::string_view options = "mss=1000")
    {
        listen();
        send("S seq=" + number(irs) + " " + std::string{options});
        require(next(), "SA seq=" + number(iss) + " ack=" + number(irs + 1));
        find_connection();
    }
    void in_established(std::string_view options = "mss=1000", std::string_view ack_options = "")
    {
        in_syn_received(options);
        send("A seq=" + number(irs + 1) + " ack=" + number(iss + 1) + " " + std::string{ack_options});
        require(next(), "-");
        if (!accept()) {
            throw std::runtime_error{"nothing to accept:\n" + *conversation()};
        }
        require_state("ESTABLISHED");
        mark();
    }
    packet in_syn_sent()
    {
        connect();
        packet syn = next();
        require(syn, "S seq=" + number(iss));
        require_state("SYN-SENT");
        mark();
        return syn;
    }
    void in_established_active(std::string_view options = "mss=1000")
    {
        in_syn_sent();
        send("SA seq=" + number(irs) + " ack=" + number(iss + 1) + " " + std::string{options});
        require(next(), "A seq=" + number(iss + 1) + " ack=" + number(irs + 1));
        require_state("ESTABLISHED");
        mark();
    }
    // By shutdown(): the reader is still there. The FIN has seq 5001.
    void in_fin_wait_1()
    {
        in_established();
        shutdown();
        require(next(), "FA seq=5001 ack=1001");
        require_state("FIN-WAIT-1");
        mark();
    }
    void in_fin_wait_2()
    {
        in_fin_wait_1();
        send("A seq=1001 ack=5002");
        require(next(), "-");
        require_state("FIN-WAIT-2");
        mark();
    }
    void in_closing()
    {
        in_fin_wait_1();
        send("FA seq=1001 ack=5001");
        require(next(), "A seq=5002 ack=1002");
        require_state("CLOSING");
        mark();
    }
    void in_time_wait()
    {
        in_fin_wait_2();
        send("FA seq=1001 ack=5002");
        require(next(), "A seq=5002 ack=1002");
        require_state("TIME-WAIT");
        mark();
    }
    void in_close_wait()
    {
        in_established();
        send("FA seq=1001 ack=5001");
        require(next(), "A seq=5001 ack=1002");
        require_state("CLOSE-WAIT");
        mark();
    }
    void in_last_ack()
    {
        in_close_wait();
        shutdown();
        require(next(), "FA seq=5001 ack=1002");
        require_state("LAST-ACK");
        mark();
    }
    // By name; rcv_nxt() and snd_nxt() then say where it stands.
    void in(const std::string& wanted)
    {
        const std::map<std::string, std::function<void()>> builders{
            {"SYN-SENT", [&] { in_syn_sent(); }},       {"SYN-RECEIVED", [&] { in_syn_received(); }},
            {"ESTABLISHED", [&] { in_established(); }}, {"FIN-WAIT-1", [&] { in_fin_wait_1(); }},
            {"FIN-WAIT-2", [&] { in_fin_wait_2(); }},   {"CLOSE-WAIT", [&] { in_close_wait(); }},
            {"CLOSING", [&] { in_closing(); }},         {"LAST-ACK", [&] { in_last_ack(); }},
            {"TIME-WAIT", [&] { in_time_wait(); }}};
        builders.at(wanted)();
    }
    std::string rcv_nxt(int plus = 0) { return std::to_string((peer_fin_taken() ? 1'002 : 1'001) + plus); }
    std::string snd_nxt(int plus = 0)
    {
        const std::string s = state();
        return std::to_string((s == "SYN-RECEIVED" || s == "ESTABLISHED" || s == "CLOSE-WAIT" ? 5'001 : 5'002) + plus);
    }

private:
    static std::string number(sequence_number s) { return std::to_string(s.value); }

    // A half-open connection is named anew when something happens to it (stack/syn_queue.hpp).
    void follow()
    {
        if (half_open_ && stack.info(id).ec != errc::ok && connections().size() == 1) {
            id = found_;
        }
    }

    bool peer_fin_taken()
    {
        const std::string s = state();
        return s == "CLOSE-WAIT" || s == "CLOSING" || s == "LAST-ACK" || s == "TIME-WAIT";
    }

    void require(const packet& seen, const std::string& expected)
    {
        if (seen != expected) {
            std::ostringstream text;
            text << "on the way to the state under test, expected " << expected << " but saw " << seen;
            throw std::runtime_error{text.str()};
        }
    }
    void require_state(const char* expected)
    {
        if (state() != expected) {
            throw std::runtime_error{"expected " + std::string{expected} + " but is in " + state() + ":\n" +
                                     *conversation()};
        }
    }

    std::uint32_t written_ = 0;
    std::uint32_t read_ = 0;
    errc read_error_ = errc::ok;
    connection_id found_{};
    bool half_open_ = false;  // `id` was found, not accepted
};

}  // namespace tcpco_test

// Compiled once, in peer_instance.cpp.
extern template class tcpco::basic_stack<tcpco_test::conformance_policies>;
extern template class tcpco_test::wire_peer<tcpco_test::conformance_policies>;
extern template class tcpco_test::peer<tcpco_test::conformance_policies>;
