// A congestion controller that is chosen at run time: `any_congestion<reno, cubic>` is one of them, by the index in its
// config.
//
// No virtual call and no allocation: a variant and a chain of comparisons that the compiler sees through. It has a
// refinement (on_packet_sent, pacing_rate, ...) if one of the alternatives has it, and passes it on where the chosen
// one has it too.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

#include "tcpco/policy/concepts.hpp"

namespace tcpco::congestion {

template <congestion_controller... Cs>
    requires(sizeof...(Cs) > 0)
class any_congestion {
    using alternatives = std::variant<Cs...>;
    static constexpr auto indices = std::index_sequence_for<Cs...>{};

public:
    static constexpr bool wants_rate_samples = (wants_rate_samples_v<Cs> || ...);
    // Of the type: what is true of all alternatives. The mechanism asks the chosen one.
    static constexpr bool regulates_recovery = (regulates_recovery_v<Cs> && ...);
    static constexpr bool grows_beside_marks = (grows_beside_marks_v<Cs> && ...);
    constexpr bool chosen_regulates_recovery() const noexcept
    {
        bool answer = false;
        visit([&]<class C>(const C& c) { answer = tcpco::regulates_recovery(c); });
        return answer;
    }
    constexpr bool chosen_grows_beside_marks() const noexcept
    {
        bool answer = false;
        visit([&]<class C>(const C& c) { answer = tcpco::grows_beside_marks(c); });
        return answer;
    }

    struct config {
        std::size_t index = 0;  // which of Cs; one that does not exist means the first
        std::tuple<typename Cs::config...> configs{};

        // config::of<cubic>({...}): chooses and configures in one step.
        template <class C>
        static constexpr config of(const typename C::config& chosen = {})
        {
            config c;
            c.index = position<C>();
            std::get<position<C>()>(c.configs) = chosen;
            return c;
        }
    };

    constexpr any_congestion() noexcept = default;
    constexpr explicit any_congestion(const config& c) noexcept : chosen_{make(c, indices)} {}

    // By the name that each may have (reno::name); `count`: none of them has it.
    static constexpr std::size_t count = sizeof...(Cs);
    static constexpr std::size_t index_of(std::string_view name) noexcept
    {
        std::size_t i = 0;
        while (i < count && name_of(i) != name) {
            ++i;
        }
        return i;
    }
    static constexpr const char* name_of(std::size_t index) noexcept
    {
        constexpr std::array<const char*, count> names{own_name<Cs>()...};
        return index < count ? names[index] : "?";
    }

    constexpr std::size_t index() const noexcept { return chosen_.index(); }
    // The chosen one, if it is a C; else null.
    template <class C>
    constexpr const C* get() const noexcept
    {
        return std::get_if<position<C>()>(&chosen_);
    }

    constexpr void on_ack(const ack_info& a) noexcept
    {
        visit([&](auto& c) { c.on_ack(a); });
    }
    constexpr void on_congestion_event(const congestion_event& e) noexcept
    {
        visit([&](auto& c) { c.on_congestion_event(e); });
    }
    constexpr octet_count cwnd() const noexcept
    {
        octet_count answer = 0;
        visit([&](const auto& c) { answer = c.cwnd(); });
        return answer;
    }
    constexpr octet_count ssthresh() const noexcept
    {
        octet_count answer = 0;
        visit([&](const auto& c) { answer = c.ssthresh(); });
        return answer;
    }

    constexpr void on_connection_established(const connection_established& e) noexcept
        requires(told_of_establishment<Cs> || ...)
    {
        visit([&]<class C>(C& c) {
            if constexpr (told_of_establishment<C>) {
                c.on_connection_established(e);
            }
        });
    }
    constexpr void on_packet_sent(const packet_sent& e) noexcept
        requires(told_of_packets_sent<Cs> || ...)
    {
        visit([&]<class C>(C& c) {
            if constexpr (told_of_packets_sent<C>) {
                c.on_packet_sent(e);
            }
        });
    }
    constexpr void on_packet_lost(const packet_lost& e) noexcept
        requires(told_of_packets_lost<Cs> || ...)
    {
        visit([&]<class C>(C& c) {
            if constexpr (told_of_packets_lost<C>) {
                c.on_packet_lost(e);
            }
        });
    }
    constexpr void on_retransmission_timeout(const retransmission_timeout& e) noexcept
        requires(told_of_timeouts<Cs> || ...)
    {
        visit([&]<class C>(C& c) {
            if constexpr (told_of_timeouts<C>) {
                c.on_retransmission_timeout(e);
            } else {  // as the mechanism does with a controller that has no opinion on timeouts
                c.on_congestion_event({.in_flight = e.in_flight, .smss = e.smss, .now = e.now});
            }
        });
    }
    constexpr void on_recovery_exit() noexcept
        requires(told_of_recovery_exit<Cs> || ...)
    {
        visit([&]<class C>(C& c) {
            if constexpr (told_of_recovery_exit<C>) {
                c.on_recovery_exit();
            }
        });
    }
    // An alternative that has no opinion is restored as it was.
    constexpr void on_spurious(spurious_cause cause, const any_congestion& prior) noexcept
    {
        visit([&]<class C>(C& c) {
            const C* before = prior.template get<C>();
            if constexpr (told_of_spurious<C>) {
                if (before != nullptr) {
                    c.on_spurious(cause, *before);
                }
            } else if (before != nullptr) {
                c = *before;
            }
        });
    }
    constexpr void on_idle_restart(time_point now, octet_count restart_window) noexcept
        requires(told_of_idle_restart<Cs> || ...)
    {
        visit([&]<class C>(C& c) {
            if constexpr (told_of_idle_restart<C>) {
                c.on_idle_restart(now, restart_window);
            }
        });
    }
    constexpr void on_smss_change(octet_count old_smss, octet_count smss) noexcept
        requires(told_of_smss_change<Cs> || ...)
    {
        visit([&]<class C>(C& c) {
            if constexpr (told_of_smss_change<C>) {
                c.on_smss_change(old_smss, smss);
            }
        });
    }
    // 0 where the chosen one does not pace.
    constexpr std::uint64_t pacing_rate() const noexcept
        requires(paces<Cs> || ...)
    {
        std::uint64_t answer = 0;
        visit([&]<class C>(const C& c) {
            if constexpr (paces<C>) {
                answer = c.pacing_rate();
            }
        });
        return answer;
    }
    // 0 where the chosen one leaves it to the mechanism.
    constexpr octet_count send_quantum() const noexcept
        requires(sets_send_quantum<Cs> || ...)
    {
        octet_count answer = 0;
        visit([&]<class C>(const C& c) {
            if constexpr (sets_send_quantum<C>) {
                answer = c.send_quantum();
            }
        });
        return answer;
    }

    constexpr bool ect_1() const noexcept
        requires(chooses_ect<Cs> || ...)
    {
        bool answer = false;
        visit([&]<class C>(const C& c) {
            if constexpr (chooses_ect<C>) {
                answer = c.ect_1();
            }
        });
        return answer;
    }

    // never() where the chosen one does not know.
    constexpr time_point validated_at() const noexcept
        requires(remembers_validation<Cs> || ...)
    {
        time_point answer = time_point::never();
        visit([&]<class C>(const C& c) {
            if constexpr (remembers_validation<C>) {
                answer = c.validated_at();
            }
        });
        return answer;
    }

private:
    template <class C>
    static constexpr const char* own_name() noexcept
    {
        if constexpr (requires { C::name; }) {
            return C::name;
        } else {
            return "?";
        }
    }
    template <class C>
    static constexpr std::size_t position() noexcept
    {
        static_assert((std::is_same_v<C, Cs> + ...) == 1, "C must be exactly one of the alternatives");
        constexpr std::array<bool, sizeof...(Cs)> is{std::is_same_v<C, Cs>...};
        std::size_t i = 0;
        while (!is[i]) {
            ++i;
        }
        return i;
    }

    template <std::size_t... I>
    static constexpr alternatives make(const config& c, std::index_sequence<I...>) noexcept
    {
        alternatives made{std::in_place_index<0>, std::get<0>(c.configs)};
        static_cast<void>(((c.index == I ? (made.template emplace<I>(std::get<I>(c.configs)), true) : false) || ...));
        return made;
    }

    template <class F>
    constexpr void visit(F f) noexcept
    {
        visit_one(chosen_, f, indices);
    }
    template <class F>
    constexpr void visit(F f) const noexcept
    {
        visit_one(chosen_, f, indices);
    }
    template <class V, class F, std::size_t... I>
    static constexpr void visit_one(V& v, F& f, std::index_sequence<I...>) noexcept
    {
        static_cast<void>(((v.index() == I ? (f(*std::get_if<I>(&v)), true) : false) || ...));
    }

    alternatives chosen_{};
};

}  // namespace tcpco::congestion
