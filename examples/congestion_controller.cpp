// A congestion controller written from nothing: the laws first, then a bottleneck in virtual time.
//
// docs/writing-a-congestion-controller.md explains it piece by piece; a test compares the two.
//
// ctest:
#include <algorithm>
#include <deque>
#include <iostream>
#include <utility>
#include <vector>

#include <tcpco/core.hpp>
#include <tcpco/testing/congestion_laws.hpp>

using namespace tcpco;

class gentle {
public:
    static constexpr const char* name = "gentle";

    struct config {
        std::int64_t keep_percent = 80;  // of the window, after a loss
    };

    gentle() = default;
    explicit gentle(const config& c) : config_{c} {}

    octet_count cwnd() const { return cwnd_; }
    octet_count ssthresh() const { return ssthresh_; }

    void on_connection_established(const connection_established& e)
    {
        cwnd_ = std::max(e.prior_cwnd > 0 ? e.prior_cwnd : e.initial_window, e.smss);
        ssthresh_ = e.prior_ssthresh > 0 ? e.prior_ssthresh : congestion::no_threshold;
    }

    void on_ack(const ack_info& a)
    {
        if (a.acked == 0 || !a.cwnd_limited || a.in_recovery || cwnd_ >= congestion::largest_cwnd) {
            return;
        }
        if (cwnd_ < ssthresh_) {
            cwnd_ = std::min(cwnd_ + std::min(a.acked, a.smss), ssthresh_);  // slow start
            return;
        }
        counted_ += a.acked;
        if (counted_ >= cwnd_) {  // a window has been delivered: one segment more
            counted_ = 0;
            cwnd_ += a.smss;
        }
    }

    void on_congestion_event(const congestion_event& e)
    {
        const octet_count carried = std::min(e.in_flight, cwnd_);
        ssthresh_ = std::max(carried * config_.keep_percent / 100, 2 * e.smss);
        cwnd_ = std::min(cwnd_, ssthresh_);
        counted_ = 0;
    }

    void on_retransmission_timeout(const retransmission_timeout& e)
    {
        if (e.first) {
            ssthresh_ = std::max(e.in_flight / 2, 2 * e.smss);
        }
        cwnd_ = e.smss;
    }

    void on_idle_restart(time_point, octet_count restart_window) { cwnd_ = std::min(cwnd_, restart_window); }

    void on_smss_change(octet_count old_smss, octet_count smss)
    {
        cwnd_ = congestion::rescaled_cwnd(cwnd_, old_smss, smss);
    }

private:
    config config_{};
    octet_count cwnd_ = 536;
    octet_count ssthresh_ = congestion::no_threshold;
    octet_count counted_ = 0;  // octets delivered towards the next segment
};

static_assert(congestion_controller<gentle>);

struct hasty : gentle {
    using gentle::gentle;
    void on_retransmission_timeout(const retransmission_timeout&) {}
};

bool keeps_the_laws()
{
    const testing::law_report report = testing::check_congestion_laws<gentle>();
    std::cout << "gentle " << (report.holds() ? "keeps all laws\n" : "breaks a law\n" + report.text());
    std::cout << testing::check_congestion_laws<hasty>().text();
    return report.holds();
}

struct experiment : default_policies {
    using congestion = tcpco::congestion::any_congestion<gentle, tcpco::congestion::reno>;
    using recovery = tcpco::recovery::rack_tlp;
    using recovery_rate = tcpco::reduction::prr;
};
using stack = basic_stack<experiment>;

struct packet {
    time_point at;
    std::vector<std::byte> data;
};

// One direction of a path: so many octets per second, a queue in front of them, and a delay.
struct path {
    std::int64_t rate;
    std::int64_t queue;
    duration delay{};
    std::deque<packet> flying{};
    time_point free{};  // when the last octet that waits has left
    int dropped = 0;

    void collect(stack& from, time_point now)
    {
        from.transmit(now, [&](const outgoing_frame& frame) {
            const auto size = static_cast<std::int64_t>(frame.size());
            free = std::max(free, now);
            if ((free - now).ns * rate / 1'000'000'000 + size > queue) {
                ++dropped;
                return sink_verdict::done;
            }
            free += duration{size * 1'000'000'000 / rate};
            std::vector<std::byte> data(frame.size());
            frame.copy_to(data.data());
            flying.push_back({free + delay, std::move(data)});
            return sink_verdict::done;
        });
    }
    void deliver(stack& to, time_point now)
    {
        for (; !flying.empty() && flying.front().at <= now; flying.pop_front()) {
            to.receive_copy(now, flying.front().data);
        }
    }
    time_point next() const { return flying.empty() ? time_point::never() : flying.front().at; }
};

bool send_through_a_bottleneck(std::size_t which)
{
    stack_config<experiment> left{.address = "192.0.2.1/24"_net, .seed = 1};
    stack_config<experiment> right{.address = "192.0.2.2/24"_net, .seed = 2};
    left.network.ethernet = right.network.ethernet = false;  // bare IP packets
    left.congestion.index = which;
    stack a{left};
    stack b{right};
    path there{.rate = 1'250'000, .queue = 30'000, .delay = 20_ms};  // 10 Mbit/s
    path back{.rate = 1'250'000, .queue = 30'000, .delay = 20_ms};

    const listener_id listener = b.listen({"192.0.2.2"_ip, 7}).value;
    const connection_id client = a.connect({"192.0.2.2"_ip, 7}).value;
    connection_id server{};
    const std::vector<std::byte> octets(5'000'000);
    std::vector<std::byte> buffer(65'536);
    std::size_t written = 0;
    std::size_t received = 0;
    time_point now{};
    while (now != time_point::never() && received < octets.size()) {
        there.deliver(b, now);
        back.deliver(a, now);
        a.advance(now);
        b.advance(now);
        written += a.write(client, std::span{octets}.subspan(written)).value;
        server = server ? server : b.accept(listener).value;
        for (std::size_t n = 1; server && n > 0; received += n) {
            n = b.read(server, buffer).value;
        }
        there.collect(a, now);
        back.collect(b, now);
        if (received < octets.size()) {
            now = std::max(now, std::min({a.deadline(), b.deadline(), there.next(), back.next()}));
        }
    }
    const tcp_info i = a.info(client).value;
    const double seconds = now.since_origin().seconds();
    std::cout << experiment::congestion::name_of(which) << ": " << received << " octets in "
              << now.since_origin().milliseconds() << " ms, "
              << static_cast<int>(static_cast<double>(received) * 8 / seconds / 10'000'000 * 100) << " % of the link, "
              << there.dropped << " packets dropped, " << i.timeouts << " timeouts\n";
    return received == octets.size();
}

int main()
{
    const bool lawful = keeps_the_laws();
    const bool first = send_through_a_bottleneck(0);
    const bool second = send_through_a_bottleneck(1);
    return lawful && first && second ? 0 : 1;
}
