{#- A bound of the 95 % Wilson interval of a share; `sign` is + or -. -#}
{%- macro wilson(part, whole, sign) -%}
  {%- set n -%}nullif(cast({{ whole }} as {{ dbt.type_float() }}), 0){%- endset -%}
  {%- set p -%}(cast({{ part }} as {{ dbt.type_float() }}) / {{ n }}){%- endset -%}
  {%- set z = 1.959964 -%}
  ({{ p }} + {{ z * z / 2 }} / {{ n }} {{ sign }} {{ z }}
        * sqrt({{ p }} * (1 - {{ p }}) / {{ n }} + {{ z * z / 4 }} / ({{ n }} * {{ n }})))
        / (1 + {{ z * z }} / {{ n }})
{%- endmacro %}

{#- The lower bound of the difference of two shares, from their Wilson bounds (Newcombe). -#}
{%- macro difference_low(rate, low, other_rate, other_high) -%}
  {{ rate }} - {{ other_rate }} - sqrt(
        ({{ rate }} - {{ low }}) * ({{ rate }} - {{ low }})
        + ({{ other_high }} - {{ other_rate }}) * ({{ other_high }} - {{ other_rate }}))
{%- endmacro %}

{#- Counts that decide A/B tests. -#}
{%- macro tested_states() -%}{{ return(['opened', 'clicked', 'converted']) }}{%- endmacro %}
